with source as (
    {{ raw("deal_statuses", {
        "note_id": "text", "lead_id": "int", "created_by": "int", "created_at": "time",
        "pipeline_id_old": "int", "status_old": "int", "pipeline_id_new": "int", "status_new": "int",
        "loss_reason_id": "int"
    }) }}
)

select
    project_id,
    note_id as event_id,
    lead_id as deal_id,
    created_by,
    created_at,
    created_at_local,
    pipeline_id_old,
    status_old as status_id_old,
    pipeline_id_new,
    status_new as status_id_new,
    loss_reason_id
from source
-- a move without a moment has no place in a history
where created_at is not null
