-- Expected sales of a month: what is sold already, what the open deals will bring, and what deals that do not exist yet will bring
-- (the average of the last three months that were over at the moment of the forecast). The interval is that of a log-normal amount
-- with this expectation and deviation; the deviation is that of the sales and of the chances' uncertainty, times how far the past
-- year's forecasts were off, in their own deviations. A budget above budget_cap counts as budget_cap in what is expected; what was
-- sold is never capped.
with by_month as (
    select
        project_id, pipeline_id, cast(date_trunc('month', ended_at_local) as date) as month,
        ended_at_local as sold_at_local, coalesce(budget, 0) as amount
    from {{ ref("amocrm__deals") }}
    where stage_kind = 'won' and not is_deleted and pipeline_id is not null
),

before as (
    select
        moments.project_id, moments.months_back, by_month.pipeline_id,
        sum(case when by_month.month = date_trunc('month', moments.made_at_local) then by_month.amount else 0 end) as so_far,
        sum(case when by_month.month < date_trunc('month', moments.made_at_local) then by_month.amount else 0 end) as month_before
    from {{ ref("int_amocrm__forecast_moments") }} as moments
    inner join by_month
        on by_month.project_id = moments.project_id
        and by_month.sold_at_local < moments.made_at_local
        and by_month.month >= date_trunc('month', moments.made_at_local) - interval '1 month'
    group by 1, 2, 3
),

series as (
    select moments.project_id, moments.months_back, moments.made_at_local, months.months_ahead, pipelines.pipeline_id
    from {{ ref("int_amocrm__forecast_moments") }} as moments
    cross join (values (0), (1), (2)) as months(months_ahead)
    inner join (
        select project_id, pipeline_id from {{ ref("int_amocrm__forecast_open") }}
        union
        select project_id, pipeline_id from {{ ref("int_amocrm__forecast_sales") }}
        union
        select project_id, pipeline_id from before
    ) as pipelines on pipelines.project_id = moments.project_id
),

sold as (
    select
        project_id, months_back, months_ahead, pipeline_id, count(*) as sales, sum(amount) as amount,
        sum(cast(capped as double precision)) as capped,
        coalesce(sum(case when not was_open then cast(capped as double precision) end), 0) as of_new,
        coalesce(sum(case when not was_open then power(cast(capped as double precision), 2) end), 0) as of_new_squared
    from {{ ref("int_amocrm__forecast_sales") }}
    group by 1, 2, 3, 4
),

seen as (
    select
        series.*, coalesce(sold.sales, 0) as sales, coalesce(sold.amount, 0) as rest, coalesce(sold.capped, 0) as capped,
        coalesce(sold.of_new, 0) as of_new, coalesce(sold.of_new_squared, 0) as of_new_squared
    from series
    left join sold
        on sold.project_id = series.project_id
        and sold.months_back = series.months_back
        and sold.months_ahead = series.months_ahead
        and sold.pipeline_id = series.pipeline_id
),

-- the sales of earlier moments whose months were over at the moment of the forecast
past as (
    select
        seen.project_id, seen.months_back, seen.months_ahead, seen.pipeline_id,
        sum(before.sales) as sales_seen,
        sum(case when before.months_back <= seen.months_back + seen.months_ahead + {{ newcomer_months() }} then 1 else 0 end) as months,
        avg(case when before.months_back <= seen.months_back + seen.months_ahead + {{ newcomer_months() }} then before.of_new end) as of_new,
        avg(case when before.months_back <= seen.months_back + seen.months_ahead + {{ newcomer_months() }} then before.of_new_squared end) as squared,
        var_samp(case when before.months_back <= seen.months_back + seen.months_ahead + {{ newcomer_months() }} then before.of_new end) as spread
    from seen
    inner join seen as before
        on before.project_id = seen.project_id
        and before.months_ahead = seen.months_ahead
        and before.pipeline_id = seen.pipeline_id
        and before.months_back > seen.months_back + seen.months_ahead
        and before.months_back <= seen.months_back + seen.months_ahead + {{ chance_months() }}
    group by 1, 2, 3, 4
),

from_open as (
    select project_id, months_back, months_ahead, pipeline_id, sum(expected) as expected, sum(variance) as variance
    from {{ ref("int_amocrm__forecast_chances") }}
    group by 1, 2, 3, 4
),

of_pipelines as (
    select
        seen.project_id, seen.months_back, seen.months_ahead, seen.made_at_local, seen.pipeline_id, seen.rest, seen.capped,
        coalesce(past.sales_seen, 0) as sales_seen, coalesce(past.months, 0) as months,
        coalesce(from_open.expected, 0) as from_open, coalesce(past.of_new, 0) as from_new,
        coalesce(from_open.variance, 0)
            + coalesce(greatest(past.squared, coalesce(past.spread, 0)) * (1 + cast(1 as double precision) / past.months), 0) as variance,
        case when seen.months_ahead = 0 then coalesce(before.so_far, 0) else 0 end as so_far,
        coalesce(before.month_before, 0) as month_before
    from seen
    left join past
        on past.project_id = seen.project_id and past.months_back = seen.months_back
        and past.months_ahead = seen.months_ahead and past.pipeline_id = seen.pipeline_id
    left join from_open
        on from_open.project_id = seen.project_id and from_open.months_back = seen.months_back
        and from_open.months_ahead = seen.months_ahead and from_open.pipeline_id = seen.pipeline_id
    left join before
        on before.project_id = seen.project_id and before.months_back = seen.months_back
        and before.pipeline_id = seen.pipeline_id
),

-- each pipeline, and all pipelines together
added as (
    select
        project_id, months_back, months_ahead, made_at_local, pipeline_id, sum(rest) as rest, sum(capped) as capped, sum(sales_seen) as sales_seen,
        min(months) as months, sum(from_open) as from_open, sum(from_new) as from_new, sum(from_open) + sum(from_new) as expected,
        sqrt(sum(variance)) as deviation, sum(so_far) as so_far, sum(month_before) as month_before
    from of_pipelines
    group by grouping sets (
        (project_id, months_back, months_ahead, made_at_local, pipeline_id), (project_id, months_back, months_ahead, made_at_local)
    )
),

recorded as (
    select
        added.project_id, added.months_back, added.months_ahead, coalesce(added.pipeline_id, 0) as pipeline,
        sqrt((6 + sum(power((before.capped - before.expected) / before.deviation, 2))) / (6 + count(*))) as off_by
    from added
    inner join added as before
        on before.project_id = added.project_id
        and before.months_ahead = added.months_ahead
        and coalesce(before.pipeline_id, 0) = coalesce(added.pipeline_id, 0)
        and before.months_back > added.months_back + added.months_ahead
        and before.months_back <= added.months_back + added.months_ahead + {{ chance_months() }}
        and before.deviation > 0 and before.months = {{ newcomer_months() }}
    group by 1, 2, 3, 4
),

judged as (
    select
        added.*,
        -- of the last days of a month, few sales are known in any year; the months after it tell that the account has enough
        max(added.sales_seen) over (partition by added.project_id, added.months_back, added.pipeline_id) >= {{ enough_deals() }}
            and added.months = {{ newcomer_months() }} and (added.expected > 0 or added.months_ahead = 0) as is_enough,
        ln(1 + power(added.deviation * coalesce(recorded.off_by, 1) / nullif(added.expected, 0), 2)) as log_variance
    from added
    left join recorded
        on recorded.project_id = added.project_id and recorded.months_back = added.months_back
        and recorded.months_ahead = added.months_ahead and recorded.pipeline = coalesce(added.pipeline_id, 0)
),

pipelines as (
    select project_id, pipeline_id, max(pipeline_name) as pipeline_name from {{ ref("stg_amocrm__statuses") }} group by 1, 2
)

select
    judged.project_id,
    judged.months_back,
    judged.months_ahead,
    cast(date_trunc('month', judged.made_at_local) + judged.months_ahead * interval '1 month' as date) as month,
    judged.pipeline_id,
    pipelines.pipeline_name,
    judged.made_at_local,
    cast(judged.sales_seen as bigint) as sales_seen,
    cast(judged.so_far as numeric(38, 2)) as sold_so_far,
    case when is_enough then {{ significant("judged.from_open") }} end as from_open,
    case when is_enough then {{ significant("judged.from_new") }} end as from_new,
    case when is_enough then {{ significant("(cast(judged.so_far as double precision) + judged.expected)") }} end as expected,
    {%- for name, sign in [("low", "-"), ("high", "+")] %}
    case when is_enough then {{ significant("(cast(judged.so_far as double precision) + judged.expected * exp(" ~ sign ~ interval_quantile() ~ " * sqrt(coalesce(judged.log_variance, 0)) - coalesce(judged.log_variance, 0) / 2))") }} end as {{ name }},
    {%- endfor %}
    cast(case when judged.months_back > judged.months_ahead then judged.so_far + judged.rest end as numeric(38, 2)) as sold,
    cast(judged.month_before as numeric(38, 2)) as sold_month_before,
    moments.budget_cap,
    moments.currency
from judged
inner join {{ ref("int_amocrm__forecast_moments") }} as moments
    on moments.project_id = judged.project_id and moments.months_back = judged.months_back
left join pipelines on pipelines.project_id = judged.project_id and pipelines.pipeline_id = judged.pipeline_id
where judged.months_back <= {{ recorded_months() }}
