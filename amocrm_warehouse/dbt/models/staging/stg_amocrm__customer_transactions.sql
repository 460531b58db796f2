{{ config(enabled=var("customers", true)) }}
with source as (
    {{ raw("customer_transactions", {
        "transaction_id": "int", "customer_id": "int", "price": "number", "completed_at": "time",
        "created_at": "time", "is_deleted": "bool", "catalog_elements": "json"
    }) }}
)

select
    project_id,
    transaction_id,
    customer_id,
    price,
    catalog_elements,
    coalesce(completed_at, created_at) as completed_at,
    coalesce(completed_at_local, created_at_local) as completed_at_local
from source
where not coalesce(is_deleted, false)
