{#
    Every table of the connector that was read, and each that the models are made of, read or not. When the last sync ended
    well is in the table `syncs`, which a sync writes. Airbyte keeps none: there the last sync that ended well has written
    each list that every sync writes anew, so it is as old as the oldest of them; one that broke off left a list as it was.
#}
{% set reads = [] %}
{% for project in var("projects") %}
{% for table in used_tables() + other_tables() %}
{% set relation = raw_relation(project, table) if execute else none %}
{% if relation is not none or table in used_tables() %}{% do reads.append((project, table, relation)) %}{% endif %}
{% endfor %}
{% endfor %}
with tables as (
{% for project, table, relation in reads %}
    {% if not loop.first %}union all{% endif %}
    {% set types = column_types(relation) %}
    {% set dated = ["updated_at", "created_at", "listed_at"] | select("in", types) | list %}
    {% set newest = cast_column(dated[0], "time", types[dated[0]]) if dated else "cast(null as timestamp)" %}
    select
        cast('{{ project }}' as varchar) as project_id,
        '{{ table }}' as source_table,
        {{ relation is not none }} as is_there,
        {{ table in used_tables() }} as is_used,
        {{ table in whole_lists() }} as is_whole_list,
        {% if relation is none %}
        cast(null as bigint) as row_count,
        cast(null as bigint) as deleted_count,
        cast(null as timestamp) as newest_at,
        cast(null as timestamp) as read_at
        {% else %}
        count(*) as row_count,
        {% if "is_deleted" in types %}count(*) filter (where {{ cast_column("is_deleted", "bool", types["is_deleted"]) }}){% else %}cast(null as bigint){% endif %} as deleted_count,
        -- a row that is dated into the future says nothing about how new the others are
        max(case when {{ newest }} <= {{ now() }} then {{ newest }} end) as newest_at,
        max({{ read_at(types) }}) as read_at
    from {{ relation }} as raw
    {{ join_loads(types) }}
        {% endif %}
{% endfor %}
),

syncs as (
{% for project in var("projects") %}
    {% set relation = raw_relation(project, "syncs") if execute else none %}
    {% if not loop.first %}union all{% endif %}
    {% if relation is none %}
    select cast('{{ project }}' as varchar) as project_id, false as are_kept, cast(null as timestamp) as ended_at
    {% else %}
    {% set types = column_types(relation) %}
    select
        cast('{{ project }}' as varchar) as project_id, true as are_kept,
        max(case when {{ cast_column("ended_well", "bool", types["ended_well"]) }}
            then {{ cast_column("ended_at", "time", types["ended_at"]) }} end) as ended_at
    from {{ relation }} as raw
    {% endif %}
{% endfor %}
)

select
    project_id,
    source_table,
    is_there,
    is_used,
    row_count,
    deleted_count,
    newest_at,
    read_at,
    case when syncs.are_kept then syncs.ended_at else coalesce(
        min(case when is_whole_list then read_at end) over (partition by project_id),
        max(read_at) over (partition by project_id)
    ) end as synced_at,
    {{ now() }} as built_at
from tables
inner join syncs using (project_id)
