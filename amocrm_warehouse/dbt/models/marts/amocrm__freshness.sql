{# One row per table of the connector that was read or that the models need. #}
{% set reads, columns = [], column_types_by_table() if execute else {} %}
{% for project in var("projects") %}
{% for table in used_tables() + other_tables() %}
{% set relation = raw_relation(project, table) if execute else none %}
{% if table in used_tables() %}{% do source("amocrm", table) %}{% endif %}
{% if relation is not none or table in used_tables() %}{% do reads.append((project, table, relation)) %}{% endif %}
{% endfor %}
{% endfor %}
with tables as (
{% for project, table, relation in reads %}
    {% if not loop.first %}union all{% endif %}
    {% set types = columns.get(relation.identifier | lower, {}) if relation else {} %}
    {% set dated = ["updated_at", "created_at", "listed_at"] | select("in", types) | list %}
    {% set newest = cast_column(dated[0], "time", types[dated[0]]) if dated else "cast(null as timestamp)" %}
    select
        cast('{{ project }}' as varchar) as project_id,
        '{{ table }}' as source_table,
        {{ relation is not none }} as is_there,
        {{ table in used_tables() }} as is_used,
        {% if relation is none %}
        cast(null as bigint) as row_count,
        cast(null as bigint) as deleted_count,
        cast(null as bigint) as rows_with_changes,
        cast(null as timestamp) as newest_at,
        cast(null as timestamp) as read_at
        {% else %}
        count(*) as row_count,
        {% if "is_deleted" in types %}count(*) filter (where {{ cast_column("is_deleted", "bool", types["is_deleted"]) }}){% else %}cast(null as bigint){% endif %} as deleted_count,
        {{ "count(raw._changes)" if "_changes" in types else "cast(null as bigint)" }} as rows_with_changes,
        -- a row dated in the future does not tell how new the others are
        max(case when {{ newest }} <= {{ now() }} then {{ newest }} end) as newest_at,
        max({{ extracted_at(types) }}) as read_at
    from {{ relation }} as raw
        {% endif %}
{% endfor %}
),

syncs as (
{% for project in var("projects") %}
    {% if not loop.first %}union all{% endif %}
    select
        cast('{{ project }}' as varchar) as project_id,
        {{ execute and (raw_relation(project, "syncs") is not none or is_unfinished(project)) }} as are_kept,
        {% if execute %}{{ synced_at(project) }}{% else %}cast(null as timestamp){% endif %} as ended_at
{% endfor %}
)

select
    project_id,
    source_table,
    is_there,
    is_used,
    row_count,
    deleted_count,
    rows_with_changes,
    newest_at,
    read_at,
    case when syncs.are_kept then syncs.ended_at else coalesce(syncs.ended_at, max(read_at) over (partition by project_id)) end
        as synced_at,
    {{ now() }} as built_at
from tables
inner join syncs using (project_id)
