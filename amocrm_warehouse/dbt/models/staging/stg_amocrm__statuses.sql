with source as (
    {{ raw("statuses", {
        "pipeline_id": "int", "status_id": "int", "pipeline_name": "text", "pipeline_sort": "int",
        "status_name": "text", "status_sort": "int", "status_type": "int", "pipeline_is_main": "bool",
        "pipeline_is_archive": "bool"
    }) }}
)

select
    *,
    -- 142 and 143 are won and lost in every pipeline; the status of unsorted requests has the type 1
    case when status_id = 142 then 'won' when status_id = 143 then 'lost' when status_type = 1 then 'unsorted' else 'open' end
        as stage_kind
from source
