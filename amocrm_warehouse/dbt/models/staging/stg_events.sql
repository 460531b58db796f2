with source as (
    {{ raw("events", {
        "event_id": "text", "type": "text", "entity_type": "text", "entity_id": "int", "created_by": "int",
        "created_at": "time"
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
from source
