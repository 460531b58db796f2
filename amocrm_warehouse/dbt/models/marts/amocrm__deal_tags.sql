select
    tags.project_id,
    tags.deal_id,
    tags.tag_id,
    tags.name as tag
from {{ ref("stg_amocrm__deal_tags") }} as tags
