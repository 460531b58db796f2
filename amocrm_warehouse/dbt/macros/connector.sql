{# Written by `make docs` from the connector, whose facts these are; do not edit it by hand. #}

{# The stages of won and of lost deals in every pipeline. #}
{% macro won_status() %}142{% endmacro %}
{% macro lost_status() %}143{% endmacro %}

{# number, boolean, date, time, text or list, by the type of the field; an unknown type is a text. #}
{% macro kind_of_field(type) %}
    case
        when {{ type }} in ('monetary', 'numeric', 'price') then 'number'
        when {{ type }} in ('checkbox') then 'boolean'
        when {{ type }} in ('birthday', 'date') then 'date'
        when {{ type }} in ('date_time') then 'time'
        when {{ type }} in ('chained_list', 'file', 'items', 'multiselect', 'multitext', 'smart_address') then 'list'
        else 'text'
    end
{%- endmacro %}

{# The digits of a phone, the same however it is typed: +7 and 8 are one country code in Russia and Kazakhstan. #}
{% macro same_phone(text) %}
    regexp_replace({{ digits(text) }}, '^8([0-9]{10})$', '7\1')
{%- endmacro %}
