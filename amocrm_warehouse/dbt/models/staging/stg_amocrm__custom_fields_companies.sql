with source as (
    {{ raw("custom_fields_companies", {
        "company_id": "int", "custom_field_id": "int", "name": "text", "value": "text", "value_index": "int",
        "field_code": "text", "field_type": "text", "enum": "int", "enum_code": "text",
        "company_updated_at": "time"
    }) }}
)

-- the values that the card has now: those that were read with its present date
select
    source.project_id,
    source.company_id,
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
inner join {{ ref("stg_amocrm__companies") }} as card
    on card.project_id = source.project_id and card.company_id = source.company_id and card.updated_at = source.company_updated_at
where not card.is_emptied
