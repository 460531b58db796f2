with source as (
    {{ raw("events", {
        "event_id": "text", "type": "text", "entity_type": "text", "entity_id": "int", "created_by": "int",
        "created_at": "time", "value_before": "json", "value_after": "json"
    }) }}
)

select
    project_id,
    event_id,
    type,
    {{ entity_of_word("entity_type") }} as entity_type,
    entity_id,
    created_by,
    created_at,
    created_at_local
    {%- for name, side in [("name_old", "value_before"), ("name_new", "value_after")] %},
    case when type = 'name_field_changed' then {{ side }} -> 0 -> 'name_field_value' ->> 'name' end as {{ name }}
    {%- endfor %}
from source
