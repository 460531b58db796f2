select
    tasks.project_id,
    tasks.task_id,
    types.name as task_type,
    tasks.text,
    tasks.entity_type,
    tasks.entity_id,
    entities.name as entity_name,
    tasks.responsible_user_id,
    {{ user_name("users", "tasks.responsible_user_id") }} as responsible_name,
    tasks.created_at_local,
    tasks.due_at,
    tasks.due_at_local,
    tasks.is_late as is_overdue,
    case when tasks.is_late then {{ days_between("tasks.due_at", now()) }} end as days_overdue
from {{ ref("int_amocrm__tasks") }} as tasks
left join {{ ref("stg_amocrm__task_types") }} as types
    on types.project_id = tasks.project_id and types.task_type_id = tasks.task_type_id
left join {{ ref("int_amocrm__entities") }} as entities
    on entities.project_id = tasks.project_id
    and entities.entity_type = tasks.entity_type
    and entities.entity_id = tasks.entity_id
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = tasks.project_id and users.user_id = tasks.responsible_user_id
where not tasks.is_completed
