with source as (
    {{ raw("tasks", {
        "task_id": "int", "element_type": "int", "element_id": "int", "responsible_user_id": "int",
        "created_by": "int", "task_type": "int", "text": "text", "result": "text", "is_completed": "bool",
        "is_deleted": "bool", "created_at": "time", "updated_at": "time", "complete_till_at": "time"
    }) }}
)

select
    source.project_id,
    source.task_id,
    {{ entity_of_number("element_type") }} as entity_type,
    source.element_id as entity_id,
    source.responsible_user_id,
    source.created_by,
    source.task_type as task_type_id,
    source.text,
    source.result,
    source.is_completed,
    source.created_at,
    source.created_at_local,
    source.updated_at,
    source.updated_at_local,
    source.complete_till_at as due_at,
    source.complete_till_at_local as due_at_local
from source
left join {{ ref("stg_amocrm__deleted_entities") }} as gone
    on gone.project_id = source.project_id and gone.entity_type = 'task' and gone.entity_id = source.task_id
where not coalesce(source.is_deleted, false) and gone.deleted_at is null
