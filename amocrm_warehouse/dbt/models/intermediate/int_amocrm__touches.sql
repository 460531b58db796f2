-- One row per touch: a call, message, note, task done or move, with or without a card, by us or by a client. `is_person`: a
-- person on our side made the touch, and neither a robot nor the client; `person` is that user, null if the telephony service
-- gives only a name.
select project_id, entity_type, entity_id, created_at as touched_at, created_at_local as touched_at_local, 'call' as kind,
    direction, nullif(manager_id, 0) as person, coalesce(manager_id <> 0, manager_name is not null) as is_person
from {{ ref("int_amocrm__calls") }}

union all

select project_id, entity_type, entity_id, created_at, created_at_local, 'message', direction,
    case when author = 'person' then nullif(created_by, 0) end, author = 'person'
from {{ ref("stg_amocrm__messages") }}

union all

select project_id, entity_type, entity_id, touched_at, touched_at_local, kind, cast(null as varchar),
    nullif(person, 0), coalesce(person <> 0, false)
from (
    select project_id, entity_type, entity_id, created_at as touched_at, created_at_local as touched_at_local, 'note' as kind,
        created_by as person
    from {{ ref("stg_amocrm__notes") }}
    where not {{ is_call_or_sms("note_type") }}

    union all

    select project_id, entity_type, entity_id, completed_at, completed_at_local, 'task', completed_by
    from {{ ref("int_amocrm__tasks") }}
    where is_completed

    union all

    select project_id, 'deal', deal_id, created_at, created_at_local, 'move', created_by
    from {{ ref("stg_amocrm__deal_statuses") }}
) as acts
