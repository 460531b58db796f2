{# The last sync that read each table to its end. A table that none of the last 200 syncs has read has no row. #}
with source as (
    {{ raw("syncs", {"started_at": "time", "tables": "json"}, of_stream=false) }}
),

numbered as (
    select project_id, started_at, tables, row_number() over (partition by project_id order by started_at desc) as nth
    from source
),

of_tables as (
    select
        freshness.project_id,
        freshness.source_table,
        numbered.started_at,
        cast(numbered.tables ->> freshness.source_table as bigint) as rows_read,
        row_number() over (partition by freshness.project_id, freshness.source_table order by numbered.started_at desc) as nth
    from {{ ref("amocrm__freshness") }} as freshness
    inner join numbered
        on numbered.project_id = freshness.project_id and numbered.nth <= 200
        and (numbered.tables ->> freshness.source_table) is not null
)

select project_id, source_table, started_at as last_read_at, rows_read
from of_tables
where nth = 1
