{{ config(enabled=var("conversations", true)) }}
with source as (
    {{ raw("talks", {
        "talk_id": "int", "origin": "text", "is_in_work": "bool", "contact_id": "int",
        "entity_type": "text", "entity_id": "int", "created_at": "time"
    }) }}
)

select
    project_id,
    talk_id,
    origin,
    is_in_work as is_open,
    contact_id,
    {{ entity_of_word("entity_type") }} as entity_type,
    entity_id,
    created_at,
    created_at_local
from source
