{% set counts = ["calls_in", "calls_out", "talk_seconds", "messages", "notes", "stage_moves", "tasks_done", "tasks_due",
    "tasks_late", "deals_created", "first_responses", "response_seconds", "response_working_seconds"] %}

-- All calls count, also those of robots and of persons known only by name, so that the totals equal those of calls.
with facts as (
    {{ activity(counts, ref("int_amocrm__calls"), "manager_id", "created_at_local", "true", {
        "calls_in": "case when direction = 'in' then 1 else 0 end",
        "calls_out": "case when direction = 'out' then 1 else 0 end",
        "talk_seconds": "coalesce(duration, 0)"
    }, everybody=true, name_alone="case when manager_id is null then manager_name end") }}
    union all
    {{ activity(counts, ref("stg_amocrm__messages"), "created_by", "created_at_local", "author = 'person'", {"messages": "1"}) }}
    union all
    {{ activity(counts, ref("stg_amocrm__notes"), "created_by", "created_at_local", "note_type = 'common'", {"notes": "1"}) }}
    union all
    {{ activity(counts, ref("stg_amocrm__deal_statuses"), "created_by", "created_at_local", "true", {"stage_moves": "1"}) }}
    union all
    {{ activity(counts, ref("int_amocrm__tasks"), "completed_by", "completed_at_local", "is_completed", {"tasks_done": "1"}) }}
    union all
    {{ activity(counts, ref("int_amocrm__tasks"), "responsible_user_id", "due_at_local", "true", {
        "tasks_due": "1", "tasks_late": "case when is_late then 1 else 0 end"
    }) }}
    union all
    {{ activity(counts, ref("int_amocrm__deals"), "created_by", "began_at_local", "not is_deleted", {"deals_created": "1"}) }}
    {% if var("conversations", true) %}
    union all
    {{ activity(counts, ref("amocrm__conversations"), "first_response_by", "first_response_at_local", "true", {
        "first_responses": "1",
        "response_seconds": "seconds_to_first_response",
        "response_working_seconds": "working_seconds_to_first_response"
    }) }}
    {% endif %}
)

select
    facts.project_id,
    facts.day,
    facts.user_id,
    coalesce(facts.name_alone, {{ user_name("users", "facts.user_id") }}) as user_name
    {%- for count in counts %},
    cast(sum(facts.{{ count }}) as bigint) as {{ count }}
    {%- endfor %}
from facts
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = facts.project_id and users.user_id = facts.user_id
group by facts.project_id, facts.day, facts.user_id, facts.name_alone, users.name
