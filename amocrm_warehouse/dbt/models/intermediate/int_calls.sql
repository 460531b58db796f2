-- Who talked on our side of a call: the user whom the telephony service names; else, where it names nobody, the one who is
-- responsible for the note. Where it names somebody who is no user, there is the name alone.
select
    calls.*,
    case when calls.call_responsible is null then calls.responsible_user_id else named.user_id end as manager_id,
    coalesce(named.name, calls.call_responsible, {{ user_name("responsible", "calls.responsible_user_id") }})
        as manager_name
from {{ ref("stg_calls") }} as calls
left join {{ ref("stg_users") }} as named
    on named.project_id = calls.project_id and cast(named.user_id as varchar) = calls.call_responsible
left join {{ ref("stg_users") }} as responsible
    on responsible.project_id = calls.project_id and responsible.user_id = calls.responsible_user_id
