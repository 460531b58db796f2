with source as (
    {{ raw("calls", {
        "note_id": "int", "element_type": "int", "element_id": "int", "direction": "text", "phone": "text",
        "duration": "int", "status": "int", "result": "text", "link": "text", "source": "text",
        "call_responsible": "text", "responsible_user_id": "int", "created_by": "int", "created_at": "time"
    }) }}
)

select
    project_id,
    note_id,
    {{ entity_of_number("element_type") }} as entity_type,
    element_id as entity_id,
    direction,
    phone,
    duration,
    status,
    result,
    link,
    source as telephony,
    call_responsible,
    responsible_user_id,
    created_by,
    created_at,
    created_at_local
from source
