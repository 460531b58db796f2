with source as (
    {{ raw("deal_responsible_changes", {
        "event_id": "text", "lead_id": "int", "created_by": "int", "created_at": "time",
        "responsible_user_id_old": "int", "responsible_user_id_new": "int"
    }) }}
)

select
    project_id,
    event_id,
    lead_id as deal_id,
    created_by,
    created_at,
    created_at_local,
    responsible_user_id_old,
    responsible_user_id_new
from source
