with source as (
    {{ raw("deal_sale_changes", {
        "event_id": "text", "lead_id": "int", "created_by": "int", "created_at": "time",
        "sale_old": "number", "sale_new": "number"
    }) }}
)

select
    project_id,
    event_id,
    lead_id as deal_id,
    created_by,
    created_at,
    created_at_local,
    sale_old as budget_old,
    sale_new as budget_new
from source
