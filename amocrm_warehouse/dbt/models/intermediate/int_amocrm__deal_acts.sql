-- When something happened in a deal, one row per act: a touch on the deal or its main contact, or any other event of the deal by a
-- person (fields, tags, links, the responsible user). The note of a call or an SMS is an act as well, where calls or messages were not
-- read.
with touches as (
    select project_id, entity_type, entity_id, touched_at, touched_at_local from {{ ref("int_amocrm__touches") }}

    union all

    select project_id, entity_type, entity_id, created_at, created_at_local
    from {{ ref("stg_amocrm__notes") }}
    where {{ is_call_or_sms("note_type") }}
)

select deals.project_id, deals.deal_id, touches.touched_at, touches.touched_at_local
from touches
inner join {{ ref("int_amocrm__deals") }} as deals
    on deals.project_id = touches.project_id and deals.deal_id = touches.entity_id
where touches.entity_type = 'deal'

union all

select deals.project_id, deals.deal_id, touches.touched_at, touches.touched_at_local
from touches
inner join {{ ref("int_amocrm__deals") }} as deals
    on deals.project_id = touches.project_id and deals.main_contact_id = touches.entity_id
where touches.entity_type = 'contact'

union all

select project_id, entity_id, created_at, created_at_local
from {{ ref("stg_amocrm__events") }}
where entity_type = 'deal' and created_by <> 0
