-- every deal that is known, with the moment it began: one whose row is empty is dated by the event that tells of it
with added as (
    select project_id, entity_id as deal_id, min(created_at) as created_at, min(created_at_local) as created_at_local
    from {{ ref("stg_events") }}
    where type = 'lead_added' and entity_type = 'deal'
    group by project_id, entity_id
),

-- projects of which events were read; of the others nobody knows since when anything is as it is
told as (
    select project_id from {{ ref("stg_deal_statuses") }}
    union
    select project_id from {{ ref("stg_events") }}
)

select
    deals.*,
    coalesce(deals.created_at, added.created_at) as began_at,
    coalesce(deals.created_at_local, added.created_at_local) as began_at_local,
    case when told.project_id is not null then coalesce(deals.created_at, added.created_at) end as known_from,
    case when told.project_id is not null then coalesce(deals.created_at_local, added.created_at_local) end
        as known_from_local
from {{ ref("stg_deals") }} as deals
left join added on added.project_id = deals.project_id and added.deal_id = deals.deal_id
left join told on told.project_id = deals.project_id
