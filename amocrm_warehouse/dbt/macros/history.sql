{# Histories of cards, as events tell them. #}

{# SQL condition: the table with the changes of this field was read for the project. #}
{% macro changes_were_read(project, entity_type, field) %}
    {%- set read = [] -%}
    {%- for id in var("projects") if execute -%}
        {%- for entity in field_owners() -%}
            {%- for name, table in [
                ("name", "events"), ("responsible", entity ~ "_responsible_changes"), ("custom_field", entity ~ "_field_changes")
            ] if raw_relation(id, table) is not none -%}
                {%- do read.append("('" ~ id ~ "', '" ~ entity ~ "', '" ~ name ~ "')") -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if read -%}({{ project }}, {{ entity_type }}, {{ field }}) in ({{ read | join(", ") }}){%- else -%}false{%- endif -%}
{%- endmacro %}

{#
    A value of an event in the form that the card has it in. Events write several values as a JSON array of texts, a date as its
    seconds since 1970, and a flag as 1 or 0. A value in any other form stays as it is.
#}
{% macro text_of_event(value, kind, zone) %}
    {%- set letter = '([^"\\\\[:cntrl:]]|\\\\["\\\\/bfnrt])*' -%}
    case
        when {{ kind }} = 'list' and {{ value }} ~ '^\["{{ letter }}"(,"{{ letter }}")*\]$' then {{ joined_texts(value) }}
        when {{ kind }} = 'date' and {{ value }} ~ '^-?[0-9]{1,10}$'
            then cast(cast(to_timestamp(cast({{ value }} as bigint)) at time zone {{ zone }} as date) as varchar)
        when {{ kind }} = 'time' and {{ value }} ~ '^[0-9]{1,10}$'
            then replace(cast(to_timestamp(cast({{ value }} as bigint)) at time zone 'UTC' as varchar), ' ', 'T') || 'Z'
        when {{ kind }} = 'boolean' then case {{ value }} when '1' then 'true' when '0' then 'false' else {{ value }} end
        else {{ value }}
    end
{%- endmacro %}

{# The moment of an event, which writes it as its seconds since 1970, to the minute. A value in any other form stays as it is. #}
{% macro moment_of_event(value, zone) %}
    case
        when {{ value }} ~ '^[0-9]{1,10}$' then left(cast(to_timestamp(cast({{ value }} as bigint)) at time zone {{ zone }} as varchar), 16)
        else {{ value }}
    end
{%- endmacro %}

{# The texts of a JSON array, with commas. #}
{% macro joined_texts(array) %}{{ return(adapter.dispatch("joined_texts", "amocrm")(array)) }}{% endmacro %}
{% macro default__joined_texts(array) %}
    (select string_agg(found.text, ', ' order by found.nth)
        from jsonb_array_elements_text(cast({{ array }} as jsonb)) with ordinality as found (text, nth))
{%- endmacro %}
{% macro duckdb__joined_texts(array) %}array_to_string(cast(cast({{ array }} as json) as varchar[]), ', '){% endmacro %}
