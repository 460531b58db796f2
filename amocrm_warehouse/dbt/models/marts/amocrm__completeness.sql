{# One row per table: its last verification, the last sync that read it, and for cards the last list of their ids. #}
with verifications as (
    {{ raw("verifications", {
        "source_table": "text", "verified_at": "time", "is_whole": "bool", "rows_in_account": "int",
        "rows_in_database": "int", "looked_at": "int", "missing": "int", "extra": "int", "stale": "int",
        "changed_since": "int", "sampled": "int", "unequal": "int", "unequal_columns": "text", "failure": "text"
    }, of_stream=false) }}
),

verified as (
    select *, row_number() over (partition by project_id, source_table order by verified_at desc) as nth
    from verifications
)

select
    freshness.project_id,
    freshness.source_table,
    verified.verified_at,
    verified.is_whole,
    verified.rows_in_account,
    verified.rows_in_database,
    verified.looked_at,
    verified.missing,
    verified.extra,
    verified.stale,
    verified.sampled,
    verified.unequal,
    verified.unequal_columns,
    verified.changed_since,
    verified.failure,
    syncs.last_read_at,
    syncs.rows_read,
    listed.listed_at,
    listed.listed,
    listed.listed_missing,
    listed.listed_extra
from {{ ref("amocrm__freshness") }} as freshness
left join verified
    on verified.project_id = freshness.project_id and verified.source_table = freshness.source_table and verified.nth = 1
left join {{ ref("int_amocrm__table_syncs") }} as syncs
    on syncs.project_id = freshness.project_id and syncs.source_table = freshness.source_table
left join {{ ref("int_amocrm__listed") }} as listed
    on listed.project_id = freshness.project_id and listed.source_table = freshness.source_table
where freshness.is_there
