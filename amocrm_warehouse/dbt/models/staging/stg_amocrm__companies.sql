with source as (
    {{ raw("companies", {
        "company_id": "int", "name": "text", "responsible_user_id": "int", "created_by": "int",
        "created_at": "time", "updated_at": "time", "closest_task_at": "time", "is_deleted": "bool",
        "updated_by": "int",
        "read_at": "time"
    }) }}
)

select
    source.project_id,
    source.company_id,
    source.name,
    source.responsible_user_id,
    source.created_by,
    source.created_at,
    source.created_at_local,
    source.updated_at,
    source.closest_task_at,
    source.read_at,
    {{ deletion_of_card() }}
from source
{{ with_deletions("company", "company_id") }}
