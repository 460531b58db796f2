-- One row a time during which a deal had one budget. What it had first is the old value of the first change, or the present
-- one where there is no change; what it has last is what the deal shows now.
with changes as (
    select
        changes.*,
        row_number() over (partition by project_id, deal_id order by created_at, event_id) as nth,
        row_number() over (partition by project_id, deal_id order by created_at desc, event_id desc) as nth_last
    from {{ ref("stg_deal_sale_changes") }} as changes
),

spans as (
    select
        deals.project_id,
        deals.deal_id,
        0 as position,
        deals.known_from as from_at,
        deals.known_from_local as from_at_local,
        case when changes.event_id is null then deals.budget else changes.budget_old end as budget
    from {{ ref("int_deals") }} as deals
    left join changes on changes.project_id = deals.project_id and changes.deal_id = deals.deal_id and changes.nth = 1

    union all

    select
        changes.project_id,
        changes.deal_id,
        changes.nth as position,
        changes.created_at as from_at,
        changes.created_at_local as from_at_local,
        case when changes.nth_last = 1 then coalesce(deals.budget, changes.budget_new) else changes.budget_new end
    from changes
    inner join {{ ref("int_deals") }} as deals
        on deals.project_id = changes.project_id and deals.deal_id = changes.deal_id
)

select
    project_id,
    deal_id,
    position,
    from_at,
    from_at_local,
    lead(from_at) over (partition by project_id, deal_id order by position) as to_at,
    budget
from spans
