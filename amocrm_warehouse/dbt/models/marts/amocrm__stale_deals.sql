-- A deal is stale if nothing has happened in it for `stale_days`. One with an open task that is not overdue is not stale either.
with open_tasks as (
    select
        project_id, entity_id as deal_id, count(*) as open_tasks,
        count(*) filter (where not coalesce(is_late, false)) as tasks_in_time
    from {{ ref("int_amocrm__tasks") }}
    where entity_type = 'deal' and not is_completed
    group by project_id, entity_id
),

aged as (
    select
        deals.*,
        activity.last_activity_at,
        case when {{ were_read("deals.project_id", ["tasks"]) }} then coalesce(open_tasks.open_tasks, 0) end as open_tasks
    from {{ ref("amocrm__deals") }} as deals
    inner join {{ ref("int_amocrm__deal_activity") }} as activity
        on activity.project_id = deals.project_id and activity.deal_id = deals.deal_id
    left join open_tasks on open_tasks.project_id = deals.project_id and open_tasks.deal_id = deals.deal_id
    where deals.stage_kind in ('open', 'unsorted') and not deals.is_deleted and coalesce(open_tasks.tasks_in_time, 0) = 0
)

select
    aged.project_id,
    aged.deal_id,
    aged.name,
    aged.pipeline_id,
    aged.pipeline_name,
    aged.status_id,
    aged.status_name,
    aged.budget,
    aged.currency,
    aged.responsible_user_id,
    aged.responsible_name,
    aged.in_stage_since_local,
    aged.last_activity_at,
    {{ days_between("aged.last_activity_at", now()) }} as days_without_activity,
    aged.open_tasks,
    {{ days_between("aged.last_activity_at", now()) }} >= {{ var("dead_days", 90) }} as is_dead
from aged
where {{ days_between("aged.last_activity_at", now()) }} >= {{ var("stale_days", 14) }}
