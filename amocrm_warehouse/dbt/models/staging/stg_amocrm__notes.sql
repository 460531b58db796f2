with source as (
    {{ raw("notes", {
        "note_id": "int", "note_type": "text", "element_type": "int", "element_id": "int",
        "created_by": "int", "created_at": "time", "updated_at": "time", "is_deleted": "bool"
    }) }}
)

select
    source.project_id,
    source.note_id,
    source.note_type,
    {{ entity_of_number("element_type") }} as entity_type,
    source.element_id as entity_id,
    source.created_by,
    source.created_at,
    source.created_at_local
from source
left join {{ ref("stg_amocrm__deleted_entities") }} as gone
    on gone.project_id = source.project_id and gone.entity_type = 'note' and gone.entity_id = source.note_id
where not coalesce(source.is_deleted, false) and gone.deleted_at is null
