with source as (
    {{ raw("deals", {
        "lead_id": "int", "name": "text", "responsible_user_id": "int", "group_id": "int",
        "created_by": "int", "pipeline_id": "int", "status_id": "int", "main_contact": "int",
        "company": "int", "loss_reason_id": "int", "loss_reason_name": "text", "sale": "number",
        "closed_at": "time", "source_id": "int", "source_name": "text", "created_at": "time",
        "updated_at": "time", "closest_task_at": "time", "is_deleted": "bool", "updated_by": "int",
        "read_at": "time"
    }) }}
)

select
    source.project_id,
    source.lead_id as deal_id,
    source.name,
    source.pipeline_id,
    source.status_id,
    source.responsible_user_id,
    source.group_id,
    source.created_by,
    source.sale as budget,
    source.main_contact as main_contact_id,
    source.company as company_id,
    source.loss_reason_id,
    source.loss_reason_name,
    source.source_id,
    source.source_name,
    source.closed_at,
    source.closed_at_local,
    source.created_at,
    source.created_at_local,
    source.updated_at,
    source.closest_task_at,
    source.read_at,
    {{ deletion_of_card(["at", "at_local"]) }}
from source
{{ with_deletions("deal", "lead_id") }}
