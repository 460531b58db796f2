-- The first answer of a person to a deal: the first outgoing call or message on the deal or on its main contact, at or
-- after the moment the deal began.
select deals.project_id, deals.deal_id, min(touches.touched_at) as first_response_at
from {{ ref("int_deals") }} as deals
inner join {{ ref("int_touches") }} as touches
    on touches.project_id = deals.project_id
    and touches.touched_at >= deals.began_at
    and (
        (touches.entity_type = 'deal' and touches.entity_id = deals.deal_id)
        or (touches.entity_type = 'contact' and touches.entity_id = deals.main_contact_id)
    )
where touches.kind in ('call', 'message') and touches.direction = 'out'
group by deals.project_id, deals.deal_id
