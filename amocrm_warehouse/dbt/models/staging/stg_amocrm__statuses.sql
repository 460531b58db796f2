with source as (
    {{ raw("statuses", {
        "pipeline_id": "int", "status_id": "int", "pipeline_name": "text", "pipeline_sort": "int",
        "status_name": "text", "status_sort": "int", "status_type": "int", "pipeline_is_main": "bool",
        "pipeline_is_archive": "bool"
    }) }}
)

select
    *,
    -- the status of unsorted requests has the type 1
    case
        when status_id = {{ won_status() }} then 'won'
        when status_id = {{ lost_status() }} then 'lost'
        when status_type = 1 then 'unsorted'
        else 'open'
    end as stage_kind
from source
