{{ config(enabled=var("customers", true), post_hook="{{ amocrm.describe_cells('customer') }}") }}
with own as (
    {{ cells("customer") }}
),

purchases as (
    select
        project_id, customer_id, count(*) as purchases, sum(price) as purchases_sum, count(price) as priced,
        min(completed_at_local) as first_purchase_at_local, max(completed_at_local) as last_purchase_at_local
    from {{ ref("stg_amocrm__customer_transactions") }}
    group by project_id, customer_id
)

select
    customers.project_id,
    customers.customer_id,
    customers.name,
    customers.responsible_user_id,
    {{ user_name("users", "customers.responsible_user_id") }} as responsible_name,
    contacts.name as main_contact_name,
    customers.ltv,
    {%- set are_known = were_read("customers.project_id", ["customer_transactions"]) %}
    {%- for total in ["purchases", "purchases_sum"] %}
    case when {{ are_known }} then coalesce(purchases.{{ total }}, 0) end as {{ total }},
    {%- endfor %}
    cast(purchases.purchases_sum / nullif(purchases.priced, 0) as numeric(38, 2)) as average_purchase,
    purchases.first_purchase_at_local,
    purchases.last_purchase_at_local,
    customers.next_date as next_purchase_at,
    customers.next_price as next_purchase,
    accounts.currency,
    customers.created_at_local
    {{- cells_of("customer", "own") }}
from {{ ref("stg_amocrm__customers") }} as customers
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = customers.project_id
left join purchases
    on purchases.project_id = customers.project_id and purchases.customer_id = customers.customer_id
left join {{ ref("stg_amocrm__contacts") }} as contacts
    on contacts.project_id = customers.project_id and contacts.contact_id = customers.main_contact_id
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = customers.project_id and users.user_id = customers.responsible_user_id
left join own on own.project_id = customers.project_id and own.entity_id = customers.customer_id
where not customers.is_deleted
