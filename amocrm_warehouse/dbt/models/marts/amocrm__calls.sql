select
    calls.project_id,
    calls.note_id,
    calls.entity_type,
    calls.entity_id,
    entities.name as entity_name,
    calls.direction,
    calls.phone,
    calls.manager_id,
    calls.manager_name,
    calls.duration as seconds,
    calls.status,
    calls.result,
    calls.telephony,
    calls.link,
    calls.created_at,
    calls.created_at_local
from {{ ref("int_amocrm__calls") }} as calls
left join {{ ref("int_amocrm__entities") }} as entities
    on entities.project_id = calls.project_id
    and entities.entity_type = calls.entity_type
    and entities.entity_id = calls.entity_id
