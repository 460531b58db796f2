{# What is counted, and the tables without which it is unknown. #}
{% set answers = ["messages"] if var("conversations", true) else none %}
{% set counts = {
    "calls_in": ["calls"], "calls_out": ["calls"], "talk_seconds": ["calls"], "messages": ["messages"], "notes": ["notes"],
    "stage_moves": ["deal_statuses"], "tasks_done": ["tasks"], "tasks_due": ["tasks"], "tasks_late": ["tasks"],
    "deals_created": ["deals"], "first_responses": answers, "response_seconds": answers, "response_working_seconds": answers
} %}

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
    {%- for count, tables in counts.items() %},
    cast(case when {{ were_read("facts.project_id", tables) if tables else "false" }} then sum(facts.{{ count }}) end as bigint) as {{ count }}
    {%- endfor %}
from facts
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = facts.project_id and users.user_id = facts.user_id
group by facts.project_id, facts.day, facts.user_id, facts.name_alone, users.name
