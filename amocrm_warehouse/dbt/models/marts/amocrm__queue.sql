-- Whom to turn to next: each card that waits for a person once, in the order of what is lost by waiting. First new leads that nobody
-- has touched, then clients who wait for an answer, then missed calls that nobody has called back, the latest first, because a fresh
-- wish cools fastest; then tasks of open deals that are due today or overdue, then large deals that are slow, the highest budgets
-- first. A deal is large if its budget is at least the median of the won deals of its pipeline that have a budget. Who has waited for
-- `dead_days` comes after these. Last come closed and deleted deals whose client has the last word, of the last three days of work;
-- older words of theirs are no part of the queue. Deals in which nothing has happened for `dead_days` are none, either, unless a client
-- has written or called since: stale_deals lists them as dead.
{% set reasons = ["untouched", "waiting", "missed_call", "task", "slow"] %}
with large as (
    select project_id, pipeline_id, {{ median("budget") }} as budget
    from {{ ref("amocrm__deals") }}
    where stage_kind = 'won' and not is_deleted and budget > 0
    group by project_id, pipeline_id
),

items as (
    select
        project_id, reason, item_id, entity_type, entity_id, text, responsible_user_id, responsible_name, since_at_local, days,
        usual_days, case reason when 'untouched' then 1 else 2 end as urgency
    from {{ ref("amocrm__today") }}
    where reason in ('untouched', 'waiting')

    union all

    select
        calls.project_id, 'missed_call', calls.note_id,
        case when deals.deal_id is not null then 'deal' else calls.entity_type end,
        coalesce(deals.deal_id, calls.entity_id), calls.phone,
        coalesce(deals.responsible_user_id, entities.responsible_user_id, calls.manager_id),
        coalesce(
            deals.responsible_name, {{ user_name("users", "coalesce(entities.responsible_user_id, calls.manager_id)") }},
            calls.manager_name
        ),
        calls.created_at_local, {{ unless_negative(days_between("calls.created_at", now())) }}, null, 3
    from {{ ref("amocrm__calls") }} as calls
    left join {{ ref("amocrm__deals") }} as deals
        on deals.project_id = calls.project_id and deals.deal_id = calls.deal_id
        and deals.stage_kind in ('open', 'unsorted') and not deals.is_deleted
    left join {{ ref("int_amocrm__entities") }} as entities
        on entities.project_id = calls.project_id and entities.entity_type = calls.entity_type and entities.entity_id = calls.entity_id
    left join {{ ref("stg_amocrm__users") }} as users
        on users.project_id = calls.project_id and users.user_id = coalesce(entities.responsible_user_id, calls.manager_id)
    where calls.is_missed and calls.called_back_at is null

    union all

    select
        tasks.project_id, 'task', tasks.task_id, tasks.entity_type, tasks.entity_id, tasks.text, tasks.responsible_user_id,
        tasks.responsible_name, tasks.due_at_local, {{ unless_negative(days_between("tasks.due_at", now())) }}, null, 4
    from {{ ref("amocrm__tasks_open") }} as tasks
    inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = tasks.project_id
    inner join {{ ref("amocrm__deals") }} as deals
        on deals.project_id = tasks.project_id and deals.deal_id = tasks.entity_id
        and deals.stage_kind in ('open', 'unsorted') and not deals.is_deleted
    where tasks.entity_type = 'deal' and cast(tasks.due_at_local as date) <= accounts.today

    union all

    select
        today.project_id, 'slow', today.item_id, 'deal', today.entity_id, null, today.responsible_user_id, today.responsible_name,
        today.since_at_local, today.days, today.usual_days, 5
    from {{ ref("amocrm__today") }} as today
    inner join large on large.project_id = today.project_id and large.pipeline_id = today.pipeline_id
    where today.reason = 'slow' and today.budget >= large.budget
),

words as (
    select
        items.*, accounts.now_local,
        coalesce(deals.stage_kind in ('won', 'lost') or deals.is_deleted, false) as is_closed,
        today.working_days - since.working_days + case when since.is_working_day then 1 else 0 end as working_days
    from items
    inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = items.project_id
    left join {{ ref("amocrm__deals") }} as deals
        on deals.project_id = items.project_id
        and deals.deal_id = case when items.entity_type = 'deal' then items.entity_id end
    left join {{ ref("int_amocrm__working_days") }} as today on today.day = accounts.today
    left join {{ ref("int_amocrm__working_days") }} as since on since.day = cast(items.since_at_local as date)
),

alive as (
    select
        items.*,
        deals.pipeline_id, deals.pipeline_name, deals.status_id, deals.status_name,
        case when deals.stage_kind in ('open', 'unsorted') and not deals.is_deleted then deals.budget end as budget,
        case
            when items.is_closed then 7
            when items.urgency <= 3 and items.days >= {{ var("dead_days", 90) }} then 6
            else items.urgency
        end as urgency_now,
        case when items.urgency <= 3
            then cast(floor(greatest({{ working_seconds_between("items.since_at_local", "items.now_local") }}, 0) / 60.0) as bigint)
        end as working_minutes,
        coalesce(items.entity_id, -items.item_id) as card
    from words as items
    left join {{ ref("amocrm__deals") }} as deals
        on deals.project_id = items.project_id
        and deals.deal_id = case when items.entity_type = 'deal' then items.entity_id end
    left join {{ ref("int_amocrm__deal_activity") }} as activity
        on activity.project_id = deals.project_id and activity.deal_id = deals.deal_id
    where (not coalesce(activity.is_dead, false) or (items.urgency <= 3 and coalesce(items.days, 0) < {{ var("dead_days", 90) }}))
        and (not items.is_closed or items.working_days <= 3)
),

ranked as (
    select
        alive.*,
        row_number() over of_card as nth,
        {%- for reason in reasons %}
        max(case when reason = '{{ reason }}' and urgency_now < 6 then reason end) over own_card as new_{{ reason }},
        max(case when reason = '{{ reason }}' then reason end) over own_card as any_{{ reason }}{{ "," if not loop.last }}
        {%- endfor %}
    from alive
    window own_card as (partition by project_id, responsible_user_id, entity_type, card),
    of_card as (
        partition by project_id, responsible_user_id, entity_type, card
        order by
            urgency_now, case when urgency <= 3 then since_at_local end desc nulls last, since_at_local nulls last, item_id
    )
)

select
    ranked.project_id,
    ranked.responsible_user_id,
    row_number() over (
        partition by ranked.project_id, ranked.responsible_user_id
        order by
            urgency_now, case when urgency <= 3 then since_at_local end desc nulls last, coalesce(budget, 0) desc,
            since_at_local nulls last, ranked.entity_type nulls last, card, item_id
    ) as place,
    ranked.urgency_now as urgency,
    ranked.responsible_name,
    ranked.reason,
    concat_ws(
        ' '
        {%- for reason in reasons %}, new_{{ reason }}{% endfor %}
        {%- for reason in reasons %}, case when new_{{ reason }} is null then any_{{ reason }} end{% endfor %}
    ) as reasons,
    ranked.item_id,
    ranked.entity_type,
    ranked.entity_id,
    entities.name as entity_name,
    ranked.text,
    ranked.pipeline_id,
    ranked.pipeline_name,
    ranked.status_id,
    ranked.status_name,
    ranked.budget,
    accounts.currency,
    ranked.since_at_local,
    ranked.working_minutes,
    ranked.days,
    ranked.usual_days
from ranked
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = ranked.project_id
left join {{ ref("int_amocrm__entities") }} as entities
    on entities.project_id = ranked.project_id
    and entities.entity_type = ranked.entity_type
    and entities.entity_id = ranked.entity_id
where ranked.nth = 1
