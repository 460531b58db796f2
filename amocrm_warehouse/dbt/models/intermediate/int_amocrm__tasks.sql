-- Tasks with the moment they were done: that of the event, else that of the last change. Without an event a task was done
-- in time for sure where its last change was in time; where it was not, nobody knows: the change may be a later one.
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
