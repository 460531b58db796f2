with source as (
    {{ raw("messages", {
        "message_id": "text", "channel": "text", "direction": "text", "element_type": "int",
        "element_id": "int", "origin": "text", "created_by": "int", "created_at": "time"
    }) }}
)

select
    project_id,
    message_id,
    channel,
    direction,
    {{ entity_of_number("element_type") }} as entity_type,
    element_id as entity_id,
    origin,
    created_by,
    created_at,
    created_at_local
from source
