{{ config(enabled=var("conversations", true)) }}
{#
    A wait begins with the client's first message in the talk or after an answer, and ends with the next message of a person on
    our side. A robot ends no wait. Of two messages in the same second, the client's counts as the earlier one.
#}
with numbered as (
    select
        *,
        count(*) filter (where author = 'person') over up_to_here
            - case when author = 'person' then 1 else 0 end as answers_before,
        row_number() over (
            partition by project_id, talk_id order by created_at desc, case when author = 'client' then 1 else 0 end, message_id desc
        ) as nth_last
    from {{ ref("stg_amocrm__messages") }}
    where talk_id is not null and direction is not null
    window up_to_here as (
        partition by project_id, talk_id order by created_at, case when author = 'client' then 0 else 1 end, message_id
        rows between unbounded preceding and current row
    )
),

counted as (
    select
        project_id, talk_id,
        count(*) filter (where author = 'client') as messages_in,
        count(*) filter (where author <> 'client') as messages_out,
        count(*) filter (where author = 'robot') as robot_messages,
        min(created_at) as first_message_at,
        min(created_at_local) as first_message_at_local
    from numbered
    group by project_id, talk_id
),

waits as (
    select
        project_id, talk_id, answers_before,
        min(created_at) filter (where author = 'client') as asked_at,
        min(created_at_local) filter (where author = 'client') as asked_at_local,
        min(created_at) filter (where author = 'person') as answered_at,
        min(created_at_local) filter (where author = 'person') as answered_at_local,
        min(nullif(created_by, 0)) filter (where author = 'person') as answered_by
    from numbered
    group by project_id, talk_id, answers_before
    having count(*) filter (where author = 'client') > 0
),

talks as (
    select
        coalesce(talks.project_id, counted.project_id) as project_id,
        coalesce(talks.talk_id, counted.talk_id) as talk_id,
        {{ channel_name("coalesce(talks.origin, last_message.origin)") }} as channel,
        case when {{ were_read("coalesce(talks.project_id, counted.project_id)", ["talks"]) }} then coalesce(talks.is_open, true) end as is_open,
        coalesce(talks.contact_id, last_message.talk_contact_id, case when last_message.entity_type = 'contact' then last_message.entity_id end) as contact_id,
        -- a talk without an entity, or one that was not read, belongs to the entity of its last message
        coalesce(talks.entity_type, last_message.entity_type) as entity_type,
        case when talks.entity_type is not null then talks.entity_id else last_message.entity_id end as entity_id,
        least(talks.created_at, counted.first_message_at) as started_at,
        least(talks.created_at_local, counted.first_message_at_local) as started_at_local,
        counted.messages_in,
        counted.messages_out,
        counted.robot_messages,
        last_message.created_at as last_message_at,
        last_message.created_at_local as last_message_at_local,
        last_message.author as last_author
    from {{ ref("stg_amocrm__talks") }} as talks
    full join counted on counted.project_id = talks.project_id and counted.talk_id = talks.talk_id
    left join numbered as last_message
        on last_message.project_id = counted.project_id and last_message.talk_id = counted.talk_id and last_message.nth_last = 1
),

-- nobody waits in a closed talk; if the talks were not read, nobody knows whether one is open
waited as (
    select
        waits.project_id, waits.talk_id, waits.asked_at, waits.asked_at_local, waits.answered_at, waits.answered_at_local,
        waits.answered_by,
        waits.answered_at is null and talks.is_open as goes_on,
        row_number() over (partition by waits.project_id, waits.talk_id order by waits.answers_before) as nth,
        coalesce(waits.answered_at, case when talks.is_open then greatest({{ now() }}, waits.asked_at) end) as until,
        coalesce(waits.answered_at_local, case when talks.is_open then greatest(accounts.now_local, waits.asked_at_local) end) as until_local
    from waits
    inner join talks on talks.project_id = waits.project_id and talks.talk_id = waits.talk_id
    inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = waits.project_id
),

answered as (
    select
        project_id, talk_id,
        max(answered_at) filter (where nth = 1) as first_response_at,
        max(answered_at_local) filter (where nth = 1) as first_response_at_local,
        max(answered_by) filter (where nth = 1) as first_response_by,
        max({{ seconds_between("asked_at", "answered_at") }}) filter (where nth = 1) as seconds_to_first_response,
        max({{ working_seconds_between("asked_at_local", "answered_at_local") }}) filter (where nth = 1) as working_seconds_to_first_response,
        max({{ seconds_between("asked_at", "until") }}) as longest_wait_seconds,
        max({{ working_seconds_between("asked_at_local", "until_local") }}) as longest_wait_working_seconds,
        bool_or(goes_on is null) as may_wait,
        max(case when goes_on then asked_at end) as waiting_since,
        max(case when goes_on then asked_at_local end) as waiting_since_local
    from waited
    group by project_id, talk_id
)

select
    talks.project_id,
    talks.talk_id,
    talks.channel,
    talks.is_open,
    case when talks.entity_type = 'deal' then talks.entity_id end as deal_id,
    case when talks.entity_type = 'deal' then cards.name end as deal_name,
    case when talks.entity_type = 'customer' then talks.entity_id end as customer_id,
    talks.contact_id,
    contacts.name as contact_name,
    coalesce(cards.responsible_user_id, contacts.responsible_user_id) as responsible_user_id,
    {{ user_name("users", "coalesce(cards.responsible_user_id, contacts.responsible_user_id)") }} as responsible_name,
    talks.started_at,
    talks.started_at_local,
    {%- for count in ["messages_in", "messages_out", "robot_messages"] %}
    case when accounts.messages_known then coalesce(talks.{{ count }}, 0) end as {{ count }},
    {%- endfor %}
    talks.last_message_at,
    talks.last_message_at_local,
    talks.last_author,
    case when talks.messages_out > talks.robot_messages then 'person' when talks.robot_messages > 0 then 'robot' end as answered_by,
    answered.first_response_at,
    answered.first_response_at_local,
    answered.first_response_by,
    {{ user_name("responder", "answered.first_response_by") }} as first_response_by_name,
    answered.seconds_to_first_response,
    answered.working_seconds_to_first_response,
    answered.longest_wait_seconds,
    answered.longest_wait_working_seconds,
    case when accounts.messages_known and not coalesce(answered.may_wait, false) then answered.waiting_since is not null end as is_unanswered,
    answered.waiting_since,
    answered.waiting_since_local
from talks
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = talks.project_id
left join answered on answered.project_id = talks.project_id and answered.talk_id = talks.talk_id
left join {{ ref("int_amocrm__entities") }} as cards
    on cards.project_id = talks.project_id
    and cards.entity_type = talks.entity_type
    and cards.entity_id = talks.entity_id
    and talks.entity_type in ('deal', 'customer')
left join {{ ref("int_amocrm__entities") }} as contacts
    on contacts.project_id = talks.project_id and contacts.entity_type = 'contact' and contacts.entity_id = talks.contact_id
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = talks.project_id
    and users.user_id = coalesce(cards.responsible_user_id, contacts.responsible_user_id)
left join {{ ref("stg_amocrm__users") }} as responder
    on responder.project_id = talks.project_id and responder.user_id = answered.first_response_by
