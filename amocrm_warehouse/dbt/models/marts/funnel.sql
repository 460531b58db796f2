-- A deal that was in a stage, or in a later one, has reached it; one that was won has reached all of its pipeline.
with stays as (
    select
        stages.project_id, stages.deal_id, stages.pipeline_id, stages.status_id, stages.pipeline_id_before,
        stages.status_id_before, stages.seconds, stages.is_last, statuses.status_sort,
        cast(date_trunc('month', deals.began_at_local) as date) as cohort_month
    from {{ ref("int_deal_stages") }} as stages
    inner join {{ ref("int_deals") }} as deals
        on deals.project_id = stages.project_id and deals.deal_id = stages.deal_id
    inner join {{ ref("stg_statuses") }} as statuses
        on statuses.project_id = stages.project_id
        and statuses.pipeline_id = stages.pipeline_id
        and statuses.status_id = stages.status_id
    where not stages.is_deleted
),

furthest as (
    select
        project_id, pipeline_id, cohort_month, deal_id,
        -- lost is no stage of the way
        max(case when status_id <> 143 then status_sort end) as status_sort
    from stays
    group by project_id, pipeline_id, cohort_month, deal_id
),

cohorts as (
    select project_id, pipeline_id, cohort_month, count(*) as cohort_deals
    from furthest
    group by project_id, pipeline_id, cohort_month
),

times as (
    select
        project_id, pipeline_id, status_id, cohort_month,
        count(distinct deal_id) as deals_in_stage,
        {{ median("seconds") }} as median_seconds
    from stays
    group by project_id, pipeline_id, status_id, cohort_month
),

losses as (
    select project_id, pipeline_id, status_id_before as status_id, cohort_month, count(*) as lost
    from stays
    where is_last and status_id = 143 and pipeline_id_before = pipeline_id
    group by project_id, pipeline_id, status_id_before, cohort_month
),

reached as (
    select
        cohorts.project_id, cohorts.cohort_month, cohorts.pipeline_id, cohorts.cohort_deals,
        statuses.pipeline_name, statuses.status_id, statuses.status_name, statuses.status_sort, statuses.stage_kind,
        count(furthest.deal_id) as reached
    from cohorts
    inner join {{ ref("stg_statuses") }} as statuses
        on statuses.project_id = cohorts.project_id and statuses.pipeline_id = cohorts.pipeline_id
    left join furthest
        on furthest.project_id = cohorts.project_id
        and furthest.pipeline_id = cohorts.pipeline_id
        and furthest.cohort_month = cohorts.cohort_month
        and furthest.status_sort >= statuses.status_sort
    where statuses.status_id <> 143
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
)

select
    reached.project_id,
    reached.cohort_month,
    reached.pipeline_id,
    reached.pipeline_name,
    reached.status_id,
    reached.status_name,
    reached.status_sort,
    reached.stage_kind,
    reached.cohort_deals,
    reached.reached,
    lag(reached.reached) over (
        partition by reached.project_id, reached.cohort_month, reached.pipeline_id
        order by reached.status_sort, reached.status_id
    ) as reached_before,
    coalesce(times.deals_in_stage, 0) as deals_in_stage,
    coalesce(losses.lost, 0) as lost,
    cast(times.median_seconds as double precision) as median_seconds
from reached
left join times
    on times.project_id = reached.project_id
    and times.cohort_month = reached.cohort_month
    and times.pipeline_id = reached.pipeline_id
    and times.status_id = reached.status_id
left join losses
    on losses.project_id = reached.project_id
    and losses.cohort_month = reached.cohort_month
    and losses.pipeline_id = reached.pipeline_id
    and losses.status_id = reached.status_id
