-- When something last happened in each deal: a touch on it or its main contact, or any other event of the deal by a person (fields,
-- tags, links, the responsible user); if nothing did, its creation.
with touches as (
    select deals.project_id, deals.deal_id, touches.touched_at
    from {{ ref("int_amocrm__touches") }} as touches
    inner join {{ ref("int_amocrm__deals") }} as deals
        on deals.project_id = touches.project_id and deals.deal_id = touches.entity_id
    where touches.entity_type = 'deal'

    union all

    select deals.project_id, deals.deal_id, touches.touched_at
    from {{ ref("int_amocrm__touches") }} as touches
    inner join {{ ref("int_amocrm__deals") }} as deals
        on deals.project_id = touches.project_id and deals.main_contact_id = touches.entity_id
    where touches.entity_type = 'contact'

    union all

    select project_id, entity_id, created_at
    from {{ ref("stg_amocrm__events") }}
    where entity_type = 'deal' and created_by <> 0
),

touched as (
    select project_id, deal_id, max(touched_at) as last_touch_at
    from touches
    group by project_id, deal_id
)

select deals.project_id, deals.deal_id, greatest(deals.began_at, touched.last_touch_at) as last_activity_at
from {{ ref("int_amocrm__deals") }} as deals
left join touched on touched.project_id = deals.project_id and touched.deal_id = deals.deal_id
