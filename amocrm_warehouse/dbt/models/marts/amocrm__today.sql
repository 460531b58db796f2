-- What waits for somebody, one row per reason and item. A deal is slow if it has been in its stage for longer than three quarters
-- of the stays of won deals there lasted; with fewer than five such stays, no deal of the stage is slow. Waiting clients and overdue
-- tasks are listed whatever the state of their deal. A closed or deleted deal has no money at stake: its budget is null. If the
-- tasks were not read, no deal is listed as one without a task; nor is an unsorted one, which has no tasks until somebody accepts it.
-- Untouched is a lead that nobody has accepted (unsorted), and a deal of the last `untouched_days` without an open task that no person
-- has touched: called or answered, written to, noted, moved, or done a task of, on the deal or, since it began, on its main contact.
with usual as (
    select
        stays.project_id, stays.pipeline_id, stays.status_id,
        percentile_cont(0.75) within group (order by stays.seconds) as seconds
    from {{ ref("amocrm__deal_stage_history") }} as stays
    inner join {{ ref("amocrm__deals") }} as deals on deals.project_id = stays.project_id and deals.deal_id = stays.deal_id
    where deals.stage_kind = 'won' and not deals.is_deleted and stays.stage_kind in ('open', 'unsorted') and stays.seconds >= 0
    group by 1, 2, 3
    having count(*) >= 5
),

open_deals as (
    select
        deals.*, stays.from_at as since_at, stays.from_at_local as since_at_local, usual.seconds as usual_seconds,
        coalesce({{ seconds_between("stays.from_at", now()) }} > usual.seconds, false) as is_slow
    from {{ ref("amocrm__deals") }} as deals
    left join {{ ref("int_amocrm__deal_stages") }} as stays
        on stays.project_id = deals.project_id and stays.deal_id = deals.deal_id and stays.is_last
    left join usual
        on usual.project_id = deals.project_id and usual.pipeline_id = deals.pipeline_id and usual.status_id = deals.status_id
    where deals.stage_kind in ('open', 'unsorted') and not deals.is_deleted
),

with_task as (
    select distinct project_id, entity_id as deal_id
    from {{ ref("amocrm__tasks_open") }}
    where entity_type = 'deal'
),

touched as (
    {% for entity, column in [("deal", "deal_id"), ("contact", "main_contact_id")] %}
    {% if not loop.first %}union{% endif %}
    select deals.project_id, deals.deal_id
    from open_deals as deals
    inner join {{ ref("int_amocrm__touches") }} as touches
        on touches.project_id = deals.project_id and touches.entity_type = '{{ entity }}' and touches.entity_id = deals.{{ column }}
        and touches.is_person and not (touches.kind = 'call' and touches.direction = 'in')
        {% if entity == "contact" %}and touches.touched_at >= deals.created_at{% endif %}
    union
    select deals.project_id, deals.deal_id
    from open_deals as deals
    inner join {{ ref("int_amocrm__calls") }} as calls
        on calls.project_id = deals.project_id and calls.entity_type = '{{ entity }}' and calls.entity_id = deals.{{ column }}
        and calls.direction = 'in' and calls.duration > 0 and coalesce(calls.manager_id <> 0, calls.manager_name is not null)
        {% if entity == "contact" %}and calls.created_at >= deals.created_at{% endif %}
    {% endfor %}
),

items as (
    select
        open_deals.project_id, 'untouched' as reason, open_deals.deal_id as item_id, 'deal' as entity_type,
        open_deals.deal_id as entity_id, cast(null as varchar) as text, open_deals.responsible_user_id,
        open_deals.responsible_name, open_deals.created_at as since_at, open_deals.created_at_local as since_at_local,
        cast(null as double precision) as usual_seconds
    from open_deals
    left join with_task on with_task.project_id = open_deals.project_id and with_task.deal_id = open_deals.deal_id
    left join touched on touched.project_id = open_deals.project_id and touched.deal_id = open_deals.deal_id
    where open_deals.stage_kind = 'unsorted' or (
        {{ seconds_between("open_deals.created_at", now()) }} < 86400 * {{ var("untouched_days", 7) }}
        and with_task.deal_id is null and touched.deal_id is null
        and {{ were_read("open_deals.project_id", ["calls", "messages", "tasks"]) }}
    )

    union all

    select
        open_deals.project_id, 'no_task', open_deals.deal_id, 'deal', open_deals.deal_id, null, open_deals.responsible_user_id,
        open_deals.responsible_name, since_at, since_at_local, null
    from open_deals
    left join with_task on with_task.project_id = open_deals.project_id and with_task.deal_id = open_deals.deal_id
    where open_deals.stage_kind = 'open' and with_task.deal_id is null
        and {{ were_read("open_deals.project_id", ["tasks"]) }}

    union all

    select
        project_id, 'slow', deal_id, 'deal', deal_id, null, responsible_user_id, responsible_name, since_at, since_at_local,
        usual_seconds
    from open_deals
    where is_slow

    union all

    select
        project_id, 'overdue_task', task_id, entity_type, entity_id, text, responsible_user_id, responsible_name, due_at,
        due_at_local, null
    from {{ ref("amocrm__tasks_open") }}
    where is_overdue

    {% if var("conversations", true) %}
    union all

    select
        project_id, 'waiting', talk_id,
        case when deal_id is not null then 'deal' when customer_id is not null then 'customer' when contact_id is not null then 'contact' end,
        coalesce(deal_id, customer_id, contact_id), channel, responsible_user_id, responsible_name, waiting_since,
        waiting_since_local, null
    from {{ ref("amocrm__conversations") }}
    where is_unanswered
    {% endif %}
)

select
    items.project_id,
    items.reason,
    items.item_id,
    items.entity_type,
    items.entity_id,
    entities.name as entity_name,
    items.text,
    deals.pipeline_id,
    deals.pipeline_name,
    deals.status_id,
    deals.status_name,
    case when deals.stage_kind in ('open', 'unsorted') and not deals.is_deleted then deals.budget end as budget,
    accounts.currency,
    items.responsible_user_id,
    items.responsible_name,
    items.since_at_local,
    {{ unless_negative(days_between("items.since_at", now())) }} as days,
    floor(items.usual_seconds / 8640 + 0.000001) / 10 as usual_days
from items
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = items.project_id
left join {{ ref("int_amocrm__entities") }} as entities
    on entities.project_id = items.project_id
    and entities.entity_type = items.entity_type
    and entities.entity_id = items.entity_id
left join {{ ref("amocrm__deals") }} as deals
    on deals.project_id = items.project_id
    and deals.deal_id = case when items.entity_type = 'deal' then items.entity_id end
