-- When something last happened in each deal: the last of its acts or, if there is none, its creation. An open deal is stale after
-- `stale_days` without any, and dead after `dead_days`; one with an open task that is not overdue is neither.
with touched as (
    select project_id, deal_id, max(touched_at) as last_touch_at
    from {{ ref("int_amocrm__deal_acts") }}
    group by project_id, deal_id
),

open_tasks as (
    select
        project_id, entity_id as deal_id, count(*) as open_tasks,
        count(*) filter (where not coalesce(is_late, false)) as tasks_in_time
    from {{ ref("int_amocrm__tasks") }}
    where entity_type = 'deal' and not is_completed
    group by project_id, entity_id
),

dated as (
    select
        deals.project_id, deals.deal_id, greatest(deals.began_at, touched.last_touch_at) as last_activity_at,
        not {{ is_closed("deals.status_id") }} and not deals.is_deleted as is_open,
        case when {{ were_read("deals.project_id", ["tasks"]) }} then coalesce(open_tasks.open_tasks, 0) end as open_tasks,
        coalesce(open_tasks.tasks_in_time, 0) = 0 as has_no_task_to_come
    from {{ ref("int_amocrm__deals") }} as deals
    left join touched on touched.project_id = deals.project_id and touched.deal_id = deals.deal_id
    left join open_tasks on open_tasks.project_id = deals.project_id and open_tasks.deal_id = deals.deal_id
),

aged as (
    select dated.*, {{ days_between("last_activity_at", now()) }} as days from dated
)

select
    project_id, deal_id, last_activity_at, open_tasks,
    case when is_open then days end as days_without_activity,
    case when is_open then days < {{ var("dead_days", 90) }} or not has_no_task_to_come end as is_live,
    case when is_open then days >= {{ var("stale_days", 14) }} and has_no_task_to_come end as is_stale,
    case when is_open then days >= {{ var("dead_days", 90) }} and has_no_task_to_come end as is_dead
from aged
