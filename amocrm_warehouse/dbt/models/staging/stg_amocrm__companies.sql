with source as (
    {{ raw("companies", {
        "company_id": "int", "name": "text", "responsible_user_id": "int", "created_by": "int",
        "created_at": "time", "updated_at": "time", "closest_task_at": "time", "is_deleted": "bool",
        "updated_by": "int",
        "read_at": "read"
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
    -- a row without values when deletions are marked, the values that it had when they are ignored
    coalesce(source.is_deleted, false) or gone.deleted_at is not null as is_deleted,
    case when coalesce(source.is_deleted, false) or gone.deleted_at is not null
        then coalesce(gone.deleted_at, source.updated_at) end as deleted_at,
    case when coalesce(source.is_deleted, false) or gone.deleted_at is not null
        then coalesce(gone.deleted_by, source.updated_by) end as deleted_by,
    coalesce(source.is_deleted, false) as is_emptied
from source
left join {{ ref("stg_amocrm__deleted_entities") }} as gone
    on gone.project_id = source.project_id and gone.entity_type = 'company' and gone.entity_id = source.company_id
{{ listed("company", "company_id") }}
where coalesce(source.is_deleted, false) or gone.deleted_at is not null or not {{ is_missing() }}
