with source as (
    {{ raw("contacts", {
        "contact_id": "int", "name": "text", "responsible_user_id": "int", "created_by": "int",
        "company": "int", "company_name": "text", "created_at": "time", "updated_at": "time",
        "closest_task_at": "time", "is_deleted": "bool", "updated_by": "int",
        "read_at": "time"
    }) }}
)

select
    source.project_id,
    source.contact_id,
    source.name,
    source.responsible_user_id,
    source.created_by,
    source.company as company_id,
    source.company_name,
    source.created_at,
    source.created_at_local,
    source.updated_at,
    source.closest_task_at,
    source.read_at,
    {{ deletion_of_card() }}
from source
{{ with_deletions("contact", "contact_id") }}
