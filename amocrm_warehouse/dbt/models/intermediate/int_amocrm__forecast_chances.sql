-- Groups of alike deals that were open at each moment, with their chance to be won in the month `months_ahead` later. The chance
-- is the share of past deals that were won so, among alike deals open at those moments of the twelve months before whose outcome was
-- known by then. Alike are deals of the same stage, age and manager; if these are too few, of the same stage and age, then of the age
-- in the pipeline, then of the age in the account, then of the stage, then of the pipeline. Dead deals (age 4) are like dead ones
-- alone, however few these are, and no other deals are like them: if none was seen, nothing is expected of them. A deal with a budget is expected to bring the share of
-- it that won deals brought; a deal without a budget, the average amount of won deals without one. A budget or an amount above the
-- moment's budget_cap counts as budget_cap.
{% set levels = {
    "manager": ["pipeline_id", "status_id", "age", "responsible_user_id"], "age": ["pipeline_id", "status_id", "age"],
    "age_in_pipeline": ["pipeline_id", "age"], "age_in_account": ["age"], "stage": ["pipeline_id", "status_id"],
    "pipeline": ["pipeline_id"]
} %}
with grouped as (
    select
        open_then.project_id, open_then.months_back, months.months_ahead, open_then.pipeline_id, open_then.status_id,
        open_then.age, open_then.responsible_user_id, open_then.budget > 0 as has_budget,
        cast(count(*) as double precision) as deals,
        sum(open_then.budget) as budget,
        sum(open_then.capped) as capped,
        sum(power(cast(open_then.capped as double precision), 2)) as capped_squared,
        cast(count(sales.deal_id) as double precision) as won,
        coalesce(sum(case when sales.deal_id is not null then cast(open_then.capped as double precision) end), 0) as budget_of_won,
        coalesce(sum(cast(sales.capped as double precision)), 0) as amount,
        coalesce(sum(power(cast(sales.capped as double precision), 2)), 0) as amount_squared
    from {{ ref("int_amocrm__forecast_open") }} as open_then
    cross join (values (0), (1), (2)) as months(months_ahead)
    left join {{ ref("int_amocrm__forecast_sales") }} as sales
        on sales.project_id = open_then.project_id
        and sales.months_back = open_then.months_back
        and sales.months_ahead = months.months_ahead
        and sales.deal_id = open_then.deal_id
        and sales.pipeline_id = open_then.pipeline_id
    group by 1, 2, 3, 4, 5, 6, 7, 8
),

{% for level, columns in levels.items() %}
{% set own = (["seen.project_id", "views.months_back", "seen.months_ahead"] + (columns | map("replace", "", "seen.", 1) | list)) | join(", ") %}
by_{{ level }} as (
    select
        {{ own }},
        {%- set alive = "" if "age" in columns else " filter (where seen.age <> 4)" %}
        sum(seen.deals){{ alive }} as deals, sum(seen.won){{ alive }} as won
        {%- if level == "pipeline" %},
        sum(case when seen.has_budget then seen.amount end) / nullif(sum(case when seen.has_budget then seen.budget_of_won end), 0) as of_budget,
        sum(case when not seen.has_budget then seen.amount end) / nullif(sum(case when not seen.has_budget then seen.won end), 0) as amount,
        sum(case when not seen.has_budget then seen.amount_squared end) / nullif(sum(case when not seen.has_budget then seen.won end), 0) as amount_squared
        {%- endif %}
    from {{ ref("int_amocrm__forecast_moments") }} as views
    inner join grouped as seen
        on seen.project_id = views.project_id
        and seen.months_back > views.months_back + seen.months_ahead
        and seen.months_back <= views.months_back + seen.months_ahead + {{ chance_months() }}
    group by {{ own }}
),
{% endfor %}

chosen as (
    select
        open_then.*,
        case
            when by_manager.deals >= {{ enough_of_manager() }} then 'manager'
            {%- for level in ["age", "age_in_pipeline", "age_in_account"] %}
            when by_{{ level }}.deals >= {{ enough_deals() }} then '{{ level }}'
            {%- endfor %}
            when open_then.age = 4 then case when by_age_in_account.deals > 0 then 'age_in_account' end
            when by_stage.deals >= {{ enough_deals() }} then 'stage'
            when by_pipeline.deals > 0 then 'pipeline'
        end as alike,
        {%- for level in levels %}
        by_{{ level }}.deals as {{ level }}_deals, by_{{ level }}.won as {{ level }}_won,
        {%- endfor %}
        coalesce(by_pipeline.of_budget, 1) as of_budget,
        coalesce(by_pipeline.amount, 0) as amount_without,
        coalesce(by_pipeline.amount_squared, 0) as amount_squared_without
    from grouped as open_then
    {% for level, columns in levels.items() %}
    left join by_{{ level }}
        on by_{{ level }}.project_id = open_then.project_id
        and by_{{ level }}.months_back = open_then.months_back
        and by_{{ level }}.months_ahead = open_then.months_ahead
        {%- for column in columns %}
        and by_{{ level }}.{{ column }} = open_then.{{ column }}
        {%- endfor %}
    {% endfor %}
),

weighed as (
    select
        chosen.*,
        case alike {% for level in levels %}when '{{ level }}' then {{ level }}_deals {% endfor %}end as seen,
        case alike {% for level in levels %}when '{{ level }}' then {{ level }}_won {% endfor %}end as seen_won,
        case when has_budget then cast(capped as double precision) * of_budget else deals * amount_without end as if_all_won,
        case when has_budget then capped_squared * of_budget * of_budget else deals * amount_squared_without end as squared
    from chosen
)

select
    project_id,
    months_back,
    months_ahead,
    pipeline_id,
    status_id,
    age,
    responsible_user_id,
    has_budget,
    alike,
    deals,
    budget,
    seen,
    seen_won / seen as chance,
    if_all_won * seen_won / seen as expected,
    squared * seen_won / seen
        - power(seen_won / seen, 2) * (case when has_budget then squared else deals * amount_without * amount_without end)
        + if_all_won * if_all_won * (seen_won / seen) * (1 - seen_won / seen) / seen as variance
from weighed
