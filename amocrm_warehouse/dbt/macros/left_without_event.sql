{#
    Finds cards that left amoCRM without an event: cards of `source` that were read before the last list of their kind and are not
    in that list. No card is missing if its kind was never listed, or if its table does not tell when rows were read.
#}

{% macro listed(kind, id) %}
left join (
    select project_id, max(listed_at) as listed_at from {{ ref("stg_amocrm__live_entities") }} where entity_type = '{{ kind }}' group by project_id
) as last_list
    on last_list.project_id = source.project_id
left join {{ ref("stg_amocrm__live_entities") }} as live
    on live.project_id = source.project_id and live.entity_type = '{{ kind }}' and live.entity_id = source.{{ id }}
{% endmacro %}

{% macro left_without_event() -%}
    (live.entity_id is null and coalesce(source.read_at < last_list.listed_at, false))
{%- endmacro %}
