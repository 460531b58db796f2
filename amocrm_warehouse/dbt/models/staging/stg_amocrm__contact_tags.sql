with source as (
    {{ raw("contact_tags", {
        "contact_id": "int", "tag_id": "int", "name": "text", "contact_updated_at": "time"
    }) }}
)

-- the rows that the card has now: those that were read with its present updated_at
select
    source.project_id,
    source.contact_id,
    source.tag_id,
    source.name
from source
inner join {{ ref("stg_amocrm__contacts") }} as card
    on card.project_id = source.project_id and card.contact_id = source.contact_id and card.updated_at = source.contact_updated_at
where not card.is_emptied
