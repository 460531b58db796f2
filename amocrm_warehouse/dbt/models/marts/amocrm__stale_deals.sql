-- A deal is stale if nothing has happened in it for `stale_days`. One with an open task that is not overdue is not stale either.
select
    deals.project_id,
    deals.deal_id,
    deals.name,
    deals.pipeline_id,
    deals.pipeline_name,
    deals.status_id,
    deals.status_name,
    deals.budget,
    deals.currency,
    deals.responsible_user_id,
    deals.responsible_name,
    deals.in_stage_since_local,
    activity.last_activity_at,
    activity.days_without_activity,
    activity.open_tasks,
    activity.is_dead
from {{ ref("amocrm__deals") }} as deals
inner join {{ ref("int_amocrm__deal_activity") }} as activity
    on activity.project_id = deals.project_id and activity.deal_id = deals.deal_id
where activity.is_stale
