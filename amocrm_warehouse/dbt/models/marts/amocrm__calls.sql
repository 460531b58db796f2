-- The deal of a call is the deal that it is on; of a call on a contact, the newest open deal of which that is the main contact, or
-- else the newest one. An incoming call of no seconds is missed. It was called back at the first call or message of a person to its
-- card, its deal or its contact afterwards, or at the client's next call that was answered.
with deal_of_contact as (
    select
        project_id, main_contact_id, deal_id,
        row_number() over (
            partition by project_id, main_contact_id
            order by case when stage_kind in ('open', 'unsorted') then 0 else 1 end, created_at desc nulls last, deal_id desc
        ) as nth
    from {{ ref("amocrm__deals") }}
    where main_contact_id is not null and not is_deleted
),

with_deals as (
    select
        calls.*,
        case when calls.entity_type = 'deal' then calls.entity_id else deal_of_contact.deal_id end as deal_id,
        coalesce(calls.direction = 'in' and coalesce(calls.duration, 0) = 0, false) as is_missed
    from {{ ref("int_amocrm__calls") }} as calls
    left join deal_of_contact
        on deal_of_contact.project_id = calls.project_id
        and deal_of_contact.main_contact_id = case when calls.entity_type = 'contact' then calls.entity_id end
        and deal_of_contact.nth = 1
),

-- a missed call once for each card on which it may be called back
missed as (
    select project_id, note_id, entity_type as called, created_at, entity_type, entity_id from with_deals where is_missed
    union
    select project_id, note_id, entity_type, created_at, 'deal', deal_id from with_deals where is_missed
    union
    select calls.project_id, calls.note_id, calls.entity_type, calls.created_at, 'contact', deals.main_contact_id
    from with_deals as calls
    inner join {{ ref("amocrm__deals") }} as deals on deals.project_id = calls.project_id and deals.deal_id = calls.deal_id
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
