-- Each span of a deal in an open stage adds the deal on the day on which it began, and subtracts it on the day on which it ended;
-- the running sums are the deals at the end of each day.
with spans as (
    select * from {{ ref("amocrm__deal_history") }} where stage_kind in ('open', 'unsorted')
),

changes as (
    select project_id, pipeline_id, status_id, cast(from_at_local as date) as day, 1 as deals, coalesce(budget, 0) as budget
    from spans
    union all
    select project_id, pipeline_id, status_id, cast(to_at_local as date), -1, -coalesce(budget, 0)
    from spans
    where to_at is not null
),

daily as (
    select project_id, pipeline_id, status_id, day, sum(deals) as deals, sum(budget) as budget
    from changes
    group by project_id, pipeline_id, status_id, day
),

days as (
    select
        project_id, pipeline_id, status_id,
        {{ days("min(day)", "max(today)") }} as day
    from daily
    inner join (select project_id as project, today from {{ ref("int_amocrm__accounts") }}) as clock
        on clock.project = daily.project_id
    group by project_id, pipeline_id, status_id
),

running as (
    select
        days.project_id, days.day, days.pipeline_id, days.status_id,
        cast(sum(coalesce(daily.deals, 0)) over running_days as bigint) as deals,
        cast(sum(coalesce(daily.budget, 0)) over running_days as numeric(38, 2)) as budget
    from days
    left join daily
        on daily.project_id = days.project_id
        and daily.pipeline_id = days.pipeline_id
        and daily.status_id = days.status_id
        and daily.day = days.day
    window running_days as (
        partition by days.project_id, days.pipeline_id, days.status_id order by days.day
        rows between unbounded preceding and current row
    )
)

select
    running.project_id,
    running.day,
    running.pipeline_id,
    statuses.pipeline_name,
    running.status_id,
    statuses.status_name,
    running.deals,
    case when accounts.budgets_known then running.budget end as budget,
    accounts.currency
from running
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = running.project_id
left join {{ ref("int_amocrm__stages") }} as statuses
    on statuses.project_id = running.project_id
    and statuses.pipeline_id = running.pipeline_id
    and statuses.status_id = running.status_id
