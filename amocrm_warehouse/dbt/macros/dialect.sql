{# What DuckDB and PostgreSQL write differently. Every other statement of the package is the same in both. #}

{% macro json_type() %}{{ return(adapter.dispatch("json_type", "amocrm")()) }}{% endmacro %}
{% macro default__json_type() %}jsonb{% endmacro %}
{% macro duckdb__json_type() %}json{% endmacro %}

{# One row a day from `first` to `last`, both dates and both included; for a select list. #}
{% macro days(first, last) %}{{ return(adapter.dispatch("days", "amocrm")(first, last)) }}{% endmacro %}
{% macro default__days(first, last) %}
    cast(generate_series(cast({{ first }} as timestamp), cast({{ last }} as timestamp), interval '1 day') as date)
{%- endmacro %}
{% macro duckdb__days(first, last) %}
    cast(unnest(generate_series(cast({{ first }} as timestamp), cast({{ last }} as timestamp), interval '1 day')) as date)
{%- endmacro %}

{#
    The values of a group that are not null, as a list in the order of another expression; an aggregate. DuckDB sorts lists in a third of
    the time that it takes to order an aggregate.
#}
{% macro in_order(value, order) %}{{ return(adapter.dispatch("in_order", "amocrm")(value, order)) }}{% endmacro %}
{% macro default__in_order(value, order) %}array_agg({{ value }} order by {{ order }}) filter (where {{ value }} is not null){% endmacro %}
{% macro duckdb__in_order(value, order) %}
    [one_of.value for one_of in list_sort(list({'place': {{ order }}, 'value': {{ value }}}) filter (where {{ value }} is not null))]
{%- endmacro %}

{# The list of `in_order` as one text, with commas. #}
{% macro joined_in_order(value, order) %}array_to_string({{ in_order(value, order) }}, ', '){% endmacro %}

{# A timestamp with time zone as one without, by the clock of UTC; DuckDB's own operator goes through a calendar for each row. #}
{% macro utc(moment) %}{{ return(adapter.dispatch("utc", "amocrm")(moment)) }}{% endmacro %}
{% macro default__utc(moment) %}({{ moment }} at time zone 'UTC'){% endmacro %}
{% macro duckdb__utc(moment) %}make_timestamp(epoch_us({{ moment }})){% endmacro %}

{# A moment of UTC by the clock of a time zone. #}
{% macro local_moment(moment, zone) %}({{ moment }} at time zone 'UTC' at time zone {{ zone }}){% endmacro %}

{# The digits of a text. #}
{% macro digits(text) %}regexp_replace({{ text }}, '[^0-9]', '', 'g'){% endmacro %}

{# Whole seconds from one timestamp to another. #}
{% macro seconds_between(earlier, later) %}
    cast(extract(epoch from ({{ later }} - {{ earlier }})) as bigint)
{%- endmacro %}

{# Null where the number is below zero: closing a deal before it was created takes no time that anybody could average. #}
{% macro unless_negative(number) %}case when {{ number }} >= 0 then {{ number }} end{% endmacro %}

{# Whole days from one timestamp to another. #}
{% macro days_between(earlier, later) %}
    cast(floor(extract(epoch from ({{ later }} - {{ earlier }})) / 86400) as bigint)
{%- endmacro %}

{% macro median(expression) %}percentile_cont(0.5) within group (order by {{ expression }}){% endmacro %}

{# The moment that every model of a build describes: the start of the build, or the var `now`. UTC without a zone. #}
{% macro now() -%}
    cast('{{ var("now", none) or run_started_at.strftime("%Y-%m-%dT%H:%M:%S") }}' as timestamp)
{%- endmacro %}

{# The elements of a JSON array as rows, for a lateral join; no row if the value is no array. #}
{% macro elements_of(array) %}{{ return(adapter.dispatch("elements_of", "amocrm")(array)) }}{% endmacro %}
{% macro default__elements_of(array) %}jsonb_array_elements(case when jsonb_typeof({{ array }}) = 'array' then {{ array }} end){% endmacro %}
{% macro duckdb__elements_of(array) %}(select unnest(case when json_type({{ array }}) = 'ARRAY' then cast({{ array }} as json[]) end)){% endmacro %}

{# A statement that lists the columns of a relation with their types. #}
{% macro columns_query(relation) %}{{ return(adapter.dispatch("columns_query", "amocrm")(relation)) }}{% endmacro %}
{% macro default__columns_query(relation) %}
    select column_name, data_type from information_schema.columns
    where table_schema = '{{ relation.schema }}' and table_name = '{{ relation.identifier }}'
{% endmacro %}
{% macro duckdb__columns_query(relation) %}select column_name, column_type from (describe {{ relation }}){% endmacro %}

{# The names of the tags in the values of an event, as one text. #}
{% macro tag_names(values) %}{{ return(adapter.dispatch("tag_names", "amocrm")(values)) }}{% endmacro %}
{% macro default__tag_names(values) %}
    (select string_agg(one.value -> 'tag' ->> 'name', ', ') from {{ elements_of(values) }} as one(value))
{%- endmacro %}
{% macro duckdb__tag_names(values) %}nullif(array_to_string(json_extract_string({{ values }}, '$[*].tag.name'), ', '), ''){% endmacro %}
