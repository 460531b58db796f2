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
    {%- for name, side in [("before", "value_before"), ("after", "value_after")] %},
    case type
        when 'entity_tag_added' then {{ tag_names(side) }}
        when 'entity_tag_deleted' then {{ tag_names(side) }}
        when 'customer_status_changed' then {{ side }} -> 0 -> 'customer_status' ->> 'id'
        when 'task_text_changed' then {{ side }} -> 0 -> 'task' ->> 'text'
        when 'task_type_changed' then {{ side }} -> 0 -> 'task_type' ->> 'id'
        when 'task_deadline_changed' then {{ side }} -> 0 -> 'task_deadline' ->> 'timestamp'
    end as {{ name }}
    {%- endfor %}
from source
