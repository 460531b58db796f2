-- Tasks with the moment at which they were done: the time of the event or, without one, of the last change. Without an event, a
-- task whose last change was in time was done in time; else is_late is null, because that change may have come after the doing.
with done as (
    select
        project_id, entity_id as task_id, created_at, created_at_local, created_by,
        row_number() over (partition by project_id, entity_id order by created_at desc, event_id desc) as nth
    from {{ ref("stg_amocrm__events") }}
    where type = 'task_completed' and entity_type = 'task'
)

select
    tasks.*,
    case when tasks.is_completed then coalesce(done.created_at, tasks.updated_at) end as completed_at,
    case when tasks.is_completed then coalesce(done.created_at_local, tasks.updated_at_local) end as completed_at_local,
    case when tasks.is_completed then coalesce(nullif(done.created_by, 0), tasks.responsible_user_id) end as completed_by,
    case
        when tasks.is_completed and done.created_at is not null then done.created_at > tasks.due_at
        when tasks.is_completed then case when tasks.updated_at <= tasks.due_at then false end
        else {{ now() }} > tasks.due_at
    end as is_late
from {{ ref("stg_amocrm__tasks") }} as tasks
left join done on done.project_id = tasks.project_id and done.task_id = tasks.task_id and done.nth = 1
