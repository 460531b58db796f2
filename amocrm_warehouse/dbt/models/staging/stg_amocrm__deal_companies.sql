with source as (
    {{ raw("deal_companies", {
        "lead_id": "int", "company_id": "int", "read_at": "time"
    }) }}
)

-- the rows that the card has now: those of its newest reading
select
    source.project_id,
    source.lead_id as deal_id,
    source.company_id
from source
inner join {{ ref("stg_amocrm__deals") }} as card
    on card.project_id = source.project_id and card.deal_id = source.lead_id and card.read_at = source.read_at
