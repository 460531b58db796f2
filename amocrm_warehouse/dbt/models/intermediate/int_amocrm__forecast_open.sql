-- The deals that were open at each moment, with the stage, the time in the stage (under 7, 30 and 90 days, and longer), the
-- responsible user and the budget that they had then; `capped` is what the budget counts for.
with open_then as (
    select
        moments.project_id, moments.months_back, history.deal_id, history.pipeline_id, history.status_id,
        history.responsible_user_id, coalesce(history.budget, 0) as budget,
        least(coalesce(history.budget, 0), moments.budget_cap) as capped,
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
)

select
    project_id,
    months_back,
    deal_id,
    pipeline_id,
    status_id,
    case when days < 7 then 0 when days < 30 then 1 when days < 90 then 2 else 3 end as age,
    responsible_user_id,
    budget,
    capped
from open_then
