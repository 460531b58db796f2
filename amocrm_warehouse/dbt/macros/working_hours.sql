{# Working time, by the var `working_hours`: "1-5 09:00-18:00, 6 10:00-15:00", Monday is 1. #}

{# Pairs of the seconds since Monday 00:00 at which work begins and ends. Ends a build with one sentence if the var cannot be read. #}
{% macro working_hours() %}
    {% set text, spans = var("working_hours"), [] %}
    {% set form = "([1-7])(?:-([1-7]))? ([01]?[0-9]|2[0-3]):([0-5][0-9])-([01]?[0-9]|2[0-4]):([0-5][0-9])" %}
    {% for part in text.split(",") %}
        {% set found = modules.re.fullmatch(form, part | trim) %}
        {% set first, last, hour, minute, to_hour, to_minute = found.groups("0") | map("int") if found else (0, 0, 0, 0, 0, 0) %}
        {% set from_second, to_second = hour * 3600 + minute * 60, to_hour * 3600 + to_minute * 60 %}
        {% if execute and (not from_second < to_second <= 86400 or 0 < last < first) %}
            {% do exceptions.raise_compiler_error(
                "The working hours “" ~ text ~ "” are not known: write days from 1, which is Monday, to 7 and hours, as in 1-5 09:00-18:00, 6 10:00-15:00."
            ) %}
        {% endif %}
        {% for day in range(first - 1, last or first) %}
            {% do spans.append((day * 86400 + from_second, day * 86400 + to_second)) %}
        {% endfor %}
    {% endfor %}
    {{ return(spans) }}
{% endmacro %}

{# The days of the var `days_off`, as SQL. Ends a build with one sentence if one cannot be read. #}
{% macro days_off() %}
    {% set days = [] %}
    {% for part in var("days_off", "").split(",") if part | trim %}
        {% if execute and not modules.re.fullmatch("[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", part | trim) %}
            {% do exceptions.raise_compiler_error(
                "The day off “" ~ part | trim ~ "” is not known: write days as in 2026-01-01, 2026-05-01."
            ) %}
        {% endif %}
        {% do days.append("date '" ~ part | trim ~ "'") %}
    {% endfor %}
    {{ return(days) }}
{% endmacro %}

{# Whether people work on a day: it is one of the weekdays of the var `working_hours`, and none of the var `days_off`. #}
{% macro is_working_day(day) %}
    {%- set weekdays = [] -%}
    {%- for begun, _ in working_hours() %}{% do weekdays.append(begun // 86400 + 1) %}{% endfor -%}
    (extract(isodow from {{ day }}) in ({{ weekdays | unique | join(", ") }})
    {%- if days_off() %} and cast({{ day }} as date) not in ({{ days_off() | join(", ") }}){% endif %})
{%- endmacro %}

{# Whole working seconds from one moment to a later one, both by the clock of the account. #}
{% macro working_seconds_between(earlier, later) %}
    ({{ working_seconds_until(later) }} - {{ working_seconds_until(earlier) }})
{%- endmacro %}

{# Working seconds from a Monday before 1970 to a moment. #}
{% macro working_seconds_until(moment) %}
    {%- set second = "(cast(extract(epoch from " ~ moment ~ ") as bigint) + 259200)" -%}
    {%- set spans, week = working_hours(), namespace(seconds=0) -%}
    {%- for begun, ended in spans %}{% set week.seconds = week.seconds + ended - begun %}{% endfor -%}
    (cast(floor({{ second }} / 604800.0) as bigint) * {{ week.seconds }}
    {%- for begun, ended in spans %} + least(greatest({{ second }} % 604800 - {{ begun }}, 0), {{ ended - begun }}){% endfor %})
{%- endmacro %}
