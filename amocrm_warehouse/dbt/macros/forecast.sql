{# The forecast: how many months it looks back, and of how few deals it tells nothing. #}

{# Months of which the record of past forecasts is told; the build needs 28 more, by which these were made. #}
{% macro recorded_months() %}{{ return(var("forecast_record", 6)) }}{% endmacro %}

{# Months by which a chance is told. #}
{% macro chance_months() %}{{ return(12) }}{% endmacro %}

{# Months by which the sales are told that come from deals which are not there yet. #}
{% macro newcomer_months() %}{{ return(3) }}{% endmacro %}

{# A chance by stage, age and manager is told from so many deals on; by stage and age, and by stage, from fewer. #}
{% macro enough_of_manager() %}{{ return(100) }}{% endmacro %}
{% macro enough_deals() %}{{ return(30) }}{% endmacro %}

{# Months since the year 0. #}
{% macro month_number(moment) %}
    (12 * cast(extract(year from {{ moment }}) as integer) + cast(extract(month from {{ moment }}) as integer))
{%- endmacro %}

{# With four digits that say something, so that no order of summing shows; half of a unit is rounded up, also where it is a hair less. #}
{% macro significant(number) %}
    case
        when {{ number }} >= 1
            then floor({{ number }} / power(10, greatest(floor(log(cast({{ number }} as double precision))) - 3, 0)) + 0.500001)
                * power(10, greatest(floor(log(cast({{ number }} as double precision))) - 3, 0))
        when {{ number }} is not null then 0
    end
{%- endmacro %}

{# A share by thousandths, likewise. #}
{% macro thousandths(share) %}floor(1000 * {{ share }} + 0.500001) / 1000{% endmacro %}
