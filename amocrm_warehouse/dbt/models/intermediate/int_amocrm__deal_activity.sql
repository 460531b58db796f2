-- When something last happened in each deal: the last of its acts or, if there is none, its creation.
with touched as (
    select project_id, deal_id, max(touched_at) as last_touch_at
    from {{ ref("int_amocrm__deal_acts") }}
    group by project_id, deal_id
)

select deals.project_id, deals.deal_id, greatest(deals.began_at, touched.last_touch_at) as last_activity_at
from {{ ref("int_amocrm__deals") }} as deals
left join touched on touched.project_id = deals.project_id and touched.deal_id = deals.deal_id
