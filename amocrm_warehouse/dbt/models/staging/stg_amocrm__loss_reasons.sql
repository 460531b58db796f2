with source as (
    {{ raw("loss_reasons", {
        "loss_reason_id": "int", "name": "text"
    }) }}
)

select * from source

union all

select names.project_id, names.name_id, names.name
from {{ ref("stg_amocrm__names") }} as names
left join source on source.project_id = names.project_id and source.loss_reason_id = names.name_id
where names.source_table = 'loss_reasons' and source.loss_reason_id is null
