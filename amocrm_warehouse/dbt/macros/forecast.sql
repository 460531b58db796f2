{# The settings of the forecast: how many months it looks back, and how many deals it needs. #}

{# Past months whose forecasts the mart keeps. The build computes 28 more months, from which those forecasts are made. #}
{% macro recorded_months() %}{{ return(var("forecast_record", 6)) }}{% endmacro %}

{# Months of past deals from which a chance is computed. #}
{% macro chance_months() %}{{ return(12) }}{% endmacro %}

{# Months of past sales from which the sales of deals that do not exist yet are computed. #}
{% macro newcomer_months() %}{{ return(3) }}{% endmacro %}

{# Past deals that a chance by stage, age and manager needs; one by stage and age, or by stage, needs `enough_deals`. #}
{% macro enough_of_manager() %}{{ return(100) }}{% endmacro %}
{% macro enough_deals() %}{{ return(30) }}{% endmacro %}

{#
    The most that a budget counts for: so many times the budget that nine of ten won deals of a year did not exceed. A mistyped budget
    is far above it, a large deal is not. The quantile stays where it is if a tenth of the won budgets is absurd.
#}
{% macro budget_cap(amounts) %}10 * percentile_disc(0.9) within group (order by {{ amounts }}){% endmacro %}

{# Four of five months are to end between `low` and `high`: the quantile of the normal distribution that 10 % exceed. #}
{% macro interval_quantile() %}{{ return(1.2815515655446004) }}{% endmacro %}

{# Months since the year 0. #}
{% macro month_number(moment) %}
    (12 * cast(extract(year from {{ moment }}) as integer) + cast(extract(month from {{ moment }}) as integer))
{%- endmacro %}

{# Rounds to four significant digits, so that the order of summing does not show. A half is rounded up, also if it is a hair less. #}
{% macro significant(number) %}
    case
        when {{ number }} >= 1
            then floor({{ number }} / power(10, greatest(floor(log(cast({{ number }} as double precision))) - 3, 0)) + 0.500001)
                * power(10, greatest(floor(log(cast({{ number }} as double precision))) - 3, 0))
        when {{ number }} is not null then 0
    end
{%- endmacro %}

{# Rounds a share to thousandths, a half likewise. #}
{% macro thousandths(share) %}floor(1000 * {{ share }} + 0.500001) / 1000{% endmacro %}
