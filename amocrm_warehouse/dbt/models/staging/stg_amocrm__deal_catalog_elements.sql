with source as (
    {{ raw("deal_catalog_elements", {
        "lead_id": "int", "catalog_element_id": "int", "catalog_id": "int", "quantity": "quantity", "price_id": "int",
        "read_at": "time"
    }) }}
)

-- the rows that the card has now: those of its newest reading
select
    source.project_id,
    source.lead_id as deal_id,
    source.catalog_element_id,
    source.catalog_id,
    source.quantity,
    source.price_id
from source
inner join {{ ref("stg_amocrm__deals") }} as card
    on card.project_id = source.project_id and card.deal_id = source.lead_id and card.read_at = source.read_at
