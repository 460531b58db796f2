with source as (
    {{ raw("customers", {
        "customer_id": "int", "name": "text", "responsible_user_id": "int", "created_by": "int",
        "main_contact": "int", "ltv": "number", "purchases_count": "int", "next_price": "number",
        "next_date": "time", "created_at": "time", "updated_at": "time", "closest_task_at": "time",
        "is_deleted": "bool", "updated_by": "int", "read_at": "time"
    }) }}
)

select
    source.project_id,
    source.customer_id,
    source.name,
    source.responsible_user_id,
    source.created_by,
    source.main_contact as main_contact_id,
    source.ltv,
    source.purchases_count,
    source.next_price,
    source.next_date,
    source.created_at,
    source.created_at_local,
    source.updated_at,
    source.closest_task_at,
    source.read_at,
    coalesce(source.is_deleted, false) as is_deleted
from source
{{ listed("customer", "customer_id") }}
where coalesce(source.is_deleted, false) or not {{ left_without_event() }}
