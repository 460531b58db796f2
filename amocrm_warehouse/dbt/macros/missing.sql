{#
    What left amoCRM without a trace: it was read before its kind was listed last, and is not in that list. The rows of a
    kind that was never listed, and those of a table that does not tell when they were read, are there.
#}

{% macro listed(kind, id) %}
left join (
    select project_id, max(listed_at) as listed_at from {{ ref("stg_amocrm__live_entities") }} where entity_type = '{{ kind }}' group by project_id
) as last_list
    on last_list.project_id = source.project_id
left join {{ ref("stg_amocrm__live_entities") }} as live
    on live.project_id = source.project_id and live.entity_type = '{{ kind }}' and live.entity_id = source.{{ id }}
{% endmacro %}

{% macro is_missing() -%}
    (live.entity_id is null and coalesce(source.read_at < last_list.listed_at, false))
{%- endmacro %}
