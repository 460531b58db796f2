with source as (
    {{ raw("names", {
        "source_table": "text", "parent": "text", "id": "int", "name": "text", "first_seen_at": "time", "gone_at": "time"
    }, of_stream=false) }}
)

select project_id, source_table, parent, id as name_id, name, first_seen_at, gone_at
from (
    select *, row_number() over (partition by project_id, source_table, parent, id order by first_seen_at desc) as nth
    from source
) as numbered
where nth = 1
