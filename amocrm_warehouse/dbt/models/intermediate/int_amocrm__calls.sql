-- The user who talked on our side of a call: the one whom the telephony service names or, if it names nobody, the user
-- responsible for the note. A number of six to nine digits is a user's id, even if the user was removed; anything else is a
-- name without an id.
select
    calls.*,
    case
        when calls.call_responsible is null then calls.responsible_user_id
        when calls.call_responsible ~ '^[0-9]{6,9}$' then cast(calls.call_responsible as bigint)
        else named.user_id
    end as manager_id,
    case
        when named.user_id is not null then named.name
        when calls.call_responsible ~ '^[0-9]{6,9}$' then '№ ' || calls.call_responsible
        else coalesce(calls.call_responsible, {{ user_name("responsible", "calls.responsible_user_id") }})
    end as manager_name
from {{ ref("stg_amocrm__calls") }} as calls
left join {{ ref("stg_amocrm__users") }} as named
    on named.project_id = calls.project_id and cast(named.user_id as varchar) = calls.call_responsible
left join {{ ref("stg_amocrm__users") }} as responsible
    on responsible.project_id = calls.project_id and responsible.user_id = calls.responsible_user_id
