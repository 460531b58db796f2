{% set cohort = "cohort_month" ~ by_value() %}
{% set of_stage = "project_id, pipeline_id, status_id, " ~ cohort %}
with cohorts_of as (
    select deals.project_id, deals.deal_id, cast(date_trunc('month', deals.began_at_local) as date) as cohort_month
        {{- by_value("cut") }}
    from {{ ref("int_amocrm__deals") }} as deals
    {{ join_by_value("deals") }}
    where not deals.is_deleted and deals.began_at_local is not null
),

ways as (
    select ways.*, cohorts_of.cohort_month{{ by_value("cohorts_of") }}
    from {{ ref("int_amocrm__deal_ways") }} as ways
    inner join cohorts_of on cohorts_of.project_id = ways.project_id and cohorts_of.deal_id = ways.deal_id
),

cohorts as (
    select
        project_id, pipeline_id, {{ cohort }},
        count(*) as cohort_deals, count(*) filter (where was_unsorted) as unsorted_deals
    from ways
    group by project_id, pipeline_id, {{ cohort }}
),

furthest as (
    select project_id, pipeline_id, {{ cohort }}, furthest_sort, count(*) as deals
    from ways
    where furthest_sort is not null
    group by project_id, pipeline_id, {{ cohort }}, furthest_sort
),

losses as (
    select project_id, pipeline_id, lost_from_status_id as status_id, {{ cohort }}, count(*) as lost
    from ways
    where lost_from_status_id is not null
    group by project_id, pipeline_id, lost_from_status_id, {{ cohort }}
),

stays as (
    select
        stages.project_id, stages.deal_id, stages.pipeline_id, stages.status_id, cohorts_of.cohort_month
        {{- by_value("cohorts_of") }},
        stages.to_at is not null as is_over,
        case when statuses.stage_kind in ('open', 'unsorted')
            then greatest(coalesce(stages.seconds, {{ seconds_between("stages.from_at", now()) }}), 0) end as seconds
    from {{ ref("int_amocrm__deal_stages") }} as stages
    inner join cohorts_of on cohorts_of.project_id = stages.project_id and cohorts_of.deal_id = stages.deal_id
    inner join {{ ref("int_amocrm__stages") }} as statuses
        on statuses.project_id = stages.project_id
        and statuses.pipeline_id = stages.pipeline_id
        and statuses.status_id = stages.status_id
),

-- Kaplan and Meier: a stay that is not over counts as one that lasts at least until now. `at_risk`: the stays that last as long
-- or longer; when a stay ends, all but one of them are left.
ordered as (
    select
        *,
        count(*) over (partition by {{ of_stage }})
            - row_number() over (partition by {{ of_stage }} order by seconds, is_over desc, deal_id) + 1 as at_risk
    from stays
    where seconds is not null
),

surviving as (
    select
        *,
        sum(case
            when not is_over then 0
            when at_risk = 1 then -1000
            else ln(cast(at_risk - 1 as double precision) / at_risk)
        end) over (partition by {{ of_stage }} order by at_risk desc rows unbounded preceding) as log_share_left
    from ordered
),

times as (
    select
        {{ of_stage }},
        min(case when log_share_left <= ln(cast(0.5 as double precision)) + 1e-9 then seconds end) as median_seconds
    from surviving
    group by {{ of_stage }}
),

there as (
    select
        {{ of_stage }},
        count(distinct deal_id) as deals_in_stage,
        count(*) filter (where not is_over) as still_there
    from stays
    group by {{ of_stage }}
),

reached as (
    select
        cohorts.project_id, cohorts.cohort_month, cohorts.pipeline_id, cohorts.cohort_deals{{ by_value("cohorts") }},
        statuses.pipeline_name, statuses.status_id, statuses.status_name, statuses.status_sort, statuses.stage_kind,
        case when statuses.stage_kind = 'unsorted' then cohorts.unsorted_deals else coalesce(sum(furthest.deals), 0) end
            as reached
    from cohorts
    inner join {{ ref("int_amocrm__stages") }} as statuses
        on statuses.project_id = cohorts.project_id and statuses.pipeline_id = cohorts.pipeline_id
    left join furthest
        on furthest.project_id = cohorts.project_id
        and furthest.pipeline_id = cohorts.pipeline_id
        and furthest.cohort_month = cohorts.cohort_month
        {{ and_same_by_value("furthest", "cohorts") }}
        and furthest.furthest_sort >= statuses.status_sort
    where statuses.stage_kind <> 'lost'
    group by
        cohorts.project_id, cohorts.cohort_month, cohorts.pipeline_id, cohorts.cohort_deals{{ by_value("cohorts") }},
        statuses.pipeline_name, statuses.status_id, statuses.status_name, statuses.status_sort, statuses.stage_kind,
        cohorts.unsorted_deals
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
    -- a stage that the account no longer has is before no other: it was reached by the deals that were in it
    cast(case
        when reached.status_sort is not null then reached.reached
        else coalesce(case when reached.stage_kind = 'won' then there.still_there else there.deals_in_stage end, 0)
    end as bigint) as reached,
    -- unsorted does not precede the first stage: a deal need not have been in it
    case when reached.stage_kind <> 'unsorted' and reached.status_sort is not null then cast(lag(reached.reached) over (
        partition by reached.project_id, reached.cohort_month{{ by_value("reached") }}, reached.pipeline_id,
            reached.stage_kind = 'unsorted' or reached.status_sort is null
        order by reached.status_sort, reached.status_id
    ) as bigint) end as reached_before,
    coalesce(there.deals_in_stage, 0) as deals_in_stage,
    case when accounts.stages_known then coalesce(losses.lost, 0) end as lost,
    cast(times.median_seconds as double precision) as median_seconds,
    case when accounts.stages_known then coalesce(there.still_there, 0) end as still_there
    {{- by_value("reached") }}
from reached
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = reached.project_id
{% for of in ["there", "times", "losses"] %}
left join {{ of }}
    on {{ of }}.project_id = reached.project_id
    and {{ of }}.cohort_month = reached.cohort_month
    {{ and_same_by_value(of, "reached") }}
    and {{ of }}.pipeline_id = reached.pipeline_id
    and {{ of }}.status_id = reached.status_id
{% endfor %}
