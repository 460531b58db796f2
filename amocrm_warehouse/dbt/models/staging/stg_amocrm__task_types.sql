with source as (
    {{ raw("task_types", {
        "task_type_id": "int", "name": "text"
    }) }}
)

select * from source

union all

select names.project_id, names.name_id, names.name
from {{ ref("stg_amocrm__names") }} as names
left join source on source.project_id = names.project_id and source.task_type_id = names.name_id
where names.source_table = 'task_types' and source.task_type_id is null
