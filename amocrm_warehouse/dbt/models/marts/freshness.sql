-- what was read of each account, and how new it is
{% set tables = {
    "deals": "updated_at", "contacts": "updated_at", "companies": "updated_at", "events": "created_at",
    "deal_statuses": "created_at", "calls": "created_at", "messages": "created_at", "tasks": "updated_at",
    "notes": "created_at", "customers": "updated_at"
} %}
{% set reads = [] %}
{% for project in var("projects") %}
{% for table, column in tables.items() %}
{% set relation = raw_relation(project, table) if execute else none %}
{% do reads.append((project, table, column, relation)) %}
{% endfor %}
{% endfor %}
{% for project, table, column, relation in reads %}
{% if not loop.first %}union all{% endif %}
select
    cast('{{ project }}' as varchar) as project_id,
    '{{ table }}' as source_table,
    {% if relation is none %}false{% else %}true{% endif %} as is_there,
    count(*) as row_count,
    max({{ column }}) as newest_at,
    {{ now() }} as built_at
from {{ ref("stg_" ~ table) }}
where project_id = '{{ project }}'
{% endfor %}
