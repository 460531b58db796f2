-- Every card that tasks, calls, fields and histories belong to. A deleted customer was deleted at its updated_at.
select project_id, 'deal' as entity_type, deal_id as entity_id, name, responsible_user_id, began_at as created_at, updated_at, deleted_at
from {{ ref("int_amocrm__deals") }}
union all
select project_id, 'contact', contact_id, name, responsible_user_id, created_at, updated_at, deleted_at from {{ ref("stg_amocrm__contacts") }}
union all
select project_id, 'company', company_id, name, responsible_user_id, created_at, updated_at, deleted_at from {{ ref("stg_amocrm__companies") }}
union all
select project_id, 'customer', customer_id, name, responsible_user_id, created_at, updated_at, case when is_deleted then updated_at end
from {{ ref("stg_amocrm__customers") }}
