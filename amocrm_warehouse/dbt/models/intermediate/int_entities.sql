-- the names of whatever a task or a call belongs to
select project_id, 'deal' as entity_type, deal_id as entity_id, name from {{ ref("stg_deals") }}
union all
select project_id, 'contact', contact_id, name from {{ ref("stg_contacts") }}
union all
select project_id, 'company', company_id, name from {{ ref("stg_companies") }}
union all
select project_id, 'customer', customer_id, name from {{ ref("stg_customers") }}
