-- Everything that somebody did with a deal, a contact, a company or a customer, or that one of them did, and what was done
-- for none of them: one row a touch. `person` is the user who did it; null where a robot or the client did.
select project_id, entity_type, entity_id, created_at as touched_at, created_at_local as touched_at_local, 'call' as kind,
    direction, manager_id as person
from {{ ref("int_calls") }}

union all

select project_id, entity_type, entity_id, created_at, created_at_local, 'message',
    direction, case when created_by <> 0 and coalesce(direction, 'out') = 'out' then created_by end
from {{ ref("stg_messages") }}

union all

select project_id, entity_type, entity_id, created_at, created_at_local, 'note',
    cast(null as varchar), case when created_by <> 0 then created_by end
from {{ ref("stg_notes") }}
where note_type not in ('call_in', 'call_out', 'sms_in', 'sms_out')

union all

select project_id, entity_type, entity_id, completed_at, completed_at_local, 'task',
    cast(null as varchar), completed_by
from {{ ref("int_tasks") }}
where is_completed

union all

select project_id, 'deal', deal_id, created_at, created_at_local, 'move',
    cast(null as varchar), case when created_by <> 0 then created_by end
from {{ ref("stg_deal_statuses") }}
