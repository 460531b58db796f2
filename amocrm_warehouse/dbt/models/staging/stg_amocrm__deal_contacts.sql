with source as (
    {{ raw("deal_contacts", {
        "lead_id": "int", "contact_id": "int", "is_main": "bool", "read_at": "time"
    }) }}
)

-- the rows that the card has now: those of its newest reading
select
    source.project_id,
    source.lead_id as deal_id,
    source.contact_id,
    source.is_main
from source
inner join {{ ref("stg_amocrm__deals") }} as card
    on card.project_id = source.project_id and card.deal_id = source.lead_id and card.read_at = source.read_at
