-- The deals that were open at each moment, with the stage, the age, the responsible user and the budget that they had then. The age
-- is the time in the stage: under 7, 30 and 90 days, and longer (0 to 3). A deal in which nothing had happened for `dead_days` is dead,
-- whatever its stage (4); so is none if a table of what happens was not read. `capped` is what the budget counts for.
with open_then as (
    select
        moments.project_id, moments.months_back, history.deal_id, history.pipeline_id, history.status_id,
        history.responsible_user_id, coalesce(history.budget, 0) as budget,
        least(coalesce(history.budget, 0), moments.budget_cap) as capped,
        moments.made_at_local,
        floor(extract(epoch from (moments.made_at_local - stays.from_at_local)) / 86400) as days
    from {{ ref("int_amocrm__forecast_moments") }} as moments
    inner join {{ ref("amocrm__deal_history") }} as history
        on history.project_id = moments.project_id
        and history.from_at_local <= moments.made_at_local
        and coalesce(history.to_at_local > moments.made_at_local, true)
        and history.stage_kind in ('open', 'unsorted')
    inner join {{ ref("int_amocrm__deal_stages") }} as stays
        on stays.project_id = history.project_id
        and stays.deal_id = history.deal_id
        and stays.from_at_local <= moments.made_at_local
        and coalesce(stays.to_at_local > moments.made_at_local, true)
),

acts as (
    select project_id, deal_id, touched_at_local from {{ ref("int_amocrm__deal_acts") }}
    union all
    select project_id, deal_id, created_at_local from {{ ref("amocrm__deals") }}
),

alive as (
    select distinct open_then.project_id, open_then.months_back, open_then.deal_id
    from open_then
    inner join acts
        on acts.project_id = open_then.project_id and acts.deal_id = open_then.deal_id
        and acts.touched_at_local <= open_then.made_at_local
        and acts.touched_at_local > open_then.made_at_local - {{ var("dead_days", 90) }} * interval '1 day'
)

select
    open_then.project_id,
    open_then.months_back,
    open_then.deal_id,
    pipeline_id,
    status_id,
    case
        when alive.deal_id is null and {{ were_read("open_then.project_id", ["calls", "messages", "notes", "tasks", "deal_statuses", "events"]) }} then 4
        when days < 7 then 0 when days < 30 then 1 when days < 90 then 2 else 3
    end as age,
    responsible_user_id,
    budget,
    capped
from open_then
left join alive
    on alive.project_id = open_then.project_id and alive.months_back = open_then.months_back and alive.deal_id = open_then.deal_id
