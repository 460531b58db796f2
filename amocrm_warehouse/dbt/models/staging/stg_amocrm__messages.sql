with source as (
    {{ raw("messages", {
        "message_id": "text", "channel": "text", "direction": "text", "element_type": "int",
        "element_id": "int", "talk_id": "int", "talk_contact_id": "int", "origin": "text", "author_type": "text",
        "created_by": "int", "created_at": "time"
    }) }}
)

select
    project_id,
    message_id,
    channel,
    direction,
    {{ entity_of_number("element_type") }} as entity_type,
    element_id as entity_id,
    talk_id,
    talk_contact_id,
    origin,
    -- author_type is null if only the event was read: that has the user, 0 for a robot or an integration
    case
        when direction = 'in' then 'client'
        when author_type = 'bot' then 'robot'
        when author_type = 'internal' or created_by <> 0 then 'person'
        else 'robot'
    end as author,
    created_by,
    created_at,
    created_at_local
from source
