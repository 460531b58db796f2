with source as (
    {{ raw("contact_tags", {
        "contact_id": "int", "tag_id": "int", "name": "text", "read_at": "time"
    }) }}
)

-- the rows that the card has now: those of its newest reading
select
    source.project_id,
    source.contact_id,
    source.tag_id,
    source.name
from source
inner join {{ ref("stg_amocrm__contacts") }} as card
    on card.project_id = source.project_id and card.contact_id = source.contact_id and card.read_at = source.read_at
