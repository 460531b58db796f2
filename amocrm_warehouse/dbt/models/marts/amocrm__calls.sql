-- The deal of a call is the deal that it is on; of a call on a contact, the deal that was open then and of which that is the main
-- contact: null if several were, and the newest one that had begun if none was. A deal was open if it had begun and was not closed
-- yet; one that was opened again counts as open all the time. An incoming call of no seconds is missed. It was called back at the
-- first call or message of a person to its card, to its contact, or to a deal of that contact afterwards, or at the client's next
-- call that was answered.
with deals as (
    select
        deals.project_id, deals.deal_id, deals.main_contact_id, deals.created_at,
        case when deals.stage_kind in ('won', 'lost') then coalesce(deals.closed_at, stages.from_at) end as closed_at
    from {{ ref("amocrm__deals") }} as deals
    left join {{ ref("int_amocrm__deal_stages") }} as stages
        on stages.project_id = deals.project_id and stages.deal_id = deals.deal_id and stages.is_last
    where not deals.is_deleted and deals.main_contact_id is not null
),

deal_of_call as (
    select
        calls.project_id, calls.note_id, deals.deal_id, coalesce(deals.closed_at > calls.created_at, true) as was_open,
        count(*) filter (where coalesce(deals.closed_at > calls.created_at, true)) over of_call as open_deals,
        row_number() over (
            partition by calls.project_id, calls.note_id
            order by case when coalesce(deals.closed_at > calls.created_at, true) then 0 else 1 end, deals.created_at desc, deals.deal_id desc
        ) as nth
    from {{ ref("int_amocrm__calls") }} as calls
    inner join deals
        on deals.project_id = calls.project_id and deals.main_contact_id = calls.entity_id and deals.created_at <= calls.created_at
    where calls.entity_type = 'contact'
    window of_call as (partition by calls.project_id, calls.note_id)
),

with_deals as (
    select
        calls.*,
        case when calls.entity_type = 'deal' then calls.entity_id else deal_of_call.deal_id end as deal_id,
        case when calls.entity_type = 'contact' then calls.entity_id else deals.main_contact_id end as contact_id,
        coalesce(calls.direction = 'in' and coalesce(calls.duration, 0) = 0, false) as is_missed
    from {{ ref("int_amocrm__calls") }} as calls
    left join deal_of_call
        on deal_of_call.project_id = calls.project_id
        and deal_of_call.note_id = case when calls.entity_type = 'contact' then calls.note_id end
        and deal_of_call.nth = 1
        and deal_of_call.open_deals <= 1
    left join {{ ref("amocrm__deals") }} as deals
        on deals.project_id = calls.project_id and deals.deal_id = case when calls.entity_type = 'deal' then calls.entity_id end
),

-- a missed call once for each card on which it may be called back
missed as (
    select project_id, note_id, entity_type as called, created_at, entity_type, entity_id from with_deals where is_missed
    union
    select project_id, note_id, entity_type, created_at, 'contact', contact_id
    from with_deals
    where is_missed and contact_id is not null
    union
    select calls.project_id, calls.note_id, calls.entity_type, calls.created_at, 'deal', deals.deal_id
    from with_deals as calls
    inner join deals on deals.project_id = calls.project_id and deals.main_contact_id = calls.contact_id
    where calls.is_missed
),

answers as (
    select project_id, entity_type, entity_id, touched_at
    from {{ ref("int_amocrm__touches") }}
    where kind in ('call', 'message') and direction = 'out' and is_person

    union all

    select project_id, entity_type, entity_id, created_at
    from {{ ref("int_amocrm__calls") }}
    where direction = 'in' and duration > 0
),

called_back as (
    select missed.project_id, missed.note_id, missed.called, min(answers.touched_at) as called_back_at
    from missed
    inner join answers
        on answers.project_id = missed.project_id
        and answers.entity_type = missed.entity_type
        and answers.entity_id = missed.entity_id
        and answers.touched_at > missed.created_at
    group by missed.project_id, missed.note_id, missed.called
)

select
    calls.project_id,
    calls.note_id,
    calls.entity_type,
    calls.entity_id,
    entities.name as entity_name,
    calls.deal_id,
    calls.direction,
    calls.phone,
    calls.manager_id,
    calls.manager_name,
    calls.duration as seconds,
    calls.is_missed,
    called_back.called_back_at,
    case
        when not calls.is_missed then null
        when {{ seconds_between("calls.created_at", "called_back.called_back_at") }} <= 3600 then true
        when {{ were_read("calls.project_id", ["messages"]) }} then false
    end as is_called_back_in_hour,
    calls.status,
    calls.result,
    calls.telephony,
    calls.link,
    calls.created_at,
    calls.created_at_local
from with_deals as calls
left join called_back
    on called_back.project_id = calls.project_id
    and called_back.note_id = calls.note_id
    and called_back.called = calls.entity_type
left join {{ ref("int_amocrm__entities") }} as entities
    on entities.project_id = calls.project_id
    and entities.entity_type = calls.entity_type
    and entities.entity_id = calls.entity_id
