with source as (
    {{ raw("custom_fields_catalog_elements", {
        "catalog_element_id": "int", "custom_field_id": "int", "value": "text", "value_index": "int", "field_type": "text",
        "read_at": "time"
    }) }}
)

-- the values that the element has now: those of its newest reading
select
    source.project_id,
    source.catalog_element_id,
    source.custom_field_id as price_id,
    cast({{ number_in("source.value") }} as numeric(38, 9)) as price_now
from source
inner join {{ ref("stg_amocrm__catalog_elements") }} as card
    on card.project_id = source.project_id and card.catalog_element_id = source.catalog_element_id
    and card.read_at = source.read_at
where source.field_type = 'price' and source.value_index = 0
