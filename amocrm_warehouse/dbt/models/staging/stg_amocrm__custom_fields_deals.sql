with source as (
    {{ raw("custom_fields_deals", {
        "lead_id": "int", "custom_field_id": "int", "name": "text", "value": "text", "value_index": "int",
        "field_code": "text", "field_type": "text", "enum": "int", "enum_code": "text",
        "lead_updated_at": "time"
    }) }}
)

-- the values that the card has now: those that were read with its present date
select
    source.project_id,
    source.lead_id as deal_id,
    source.custom_field_id,
    source.name,
    source.value,
    source.value_index,
    source.field_code,
    source.field_type,
    source.enum,
    source.enum_code,
    card.updated_at
from source
inner join {{ ref("stg_amocrm__deals") }} as card
    on card.project_id = source.project_id and card.deal_id = source.lead_id and card.updated_at = source.lead_updated_at
where not card.is_emptied
