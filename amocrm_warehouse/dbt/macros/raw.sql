{# Reading the connector's tables, as a sync writes them and as Airbyte's own destinations do. #}

{% macro raw_relation(project, table) %}
    {% set prefix = var("table_prefix", "amocrm_{project}_") | replace("{project}", project | string | lower) %}
    {% set relation = raw_schema_relation(prefix ~ table) %}
    {{ return(relation if is_own(project | string, table, relation) else none) }}
{% endmacro %}

{# SQL condition: these tables were read for the project. #}
{% macro were_read(project, tables) %}
    {%- set read = [] -%}
    {%- for id in var("projects") if execute -%}
        {%- set lacking = [] -%}
        {%- for table in tables if raw_relation(id, table) is none -%}{%- do lacking.append(table) -%}{%- endfor -%}
        {%- if not lacking -%}{%- do read.append("'" ~ id ~ "'") -%}{%- endif -%}
    {%- endfor -%}
    {%- if read -%}{{ project }} in ({{ read | join(", ") }}){%- else -%}false{%- endif -%}
{%- endmacro %}

{#
    Whether a relation is the table of this project: amocrm_my_deal_contacts is `deal_contacts` of my or `contacts` of my_deal.
    The table with the shorter name has a column that the other one lacks.
#}
{% macro is_own(project, table, relation) %}
    {% set columns = {
        "catalog_elements": "account_id", "companies": "account_id", "contacts": "account_id", "customers": "account_id",
        "deals": "account_id", "groups": "group_id", "statuses": "pipeline_id", "tags": "entity_type"
    } %}
    {% for shorter, column in columns.items() if relation is not none %}
        {% set is_shorter = table == shorter and "_" in project %}
        {% if (is_shorter or table.endswith("_" ~ shorter)) and (column in column_types(relation)) != is_shorter %}
            {{ return(false) }}
        {% endif %}
    {% endfor %}
    {{ return(true) }}
{% endmacro %}

{% macro raw_schema_relation(name) %}
    {% set schema = var("raw_schema", none) or "amocrm" %}
    {{ return(adapter.get_relation(var("raw_database", none) or target.database, schema, name)) }}
{% endmacro %}

{# The types of a raw table's columns, by name; empty for a table that is not there. #}
{% macro column_types(relation) %}
    {% set types = {} %}
    {% if relation is not none %}
        {% for row in run_query(columns_query(relation)).rows %}{% do types.update({row[0] | lower: row[1] | lower}) %}{% endfor %}
    {% endif %}
    {{ return(types) }}
{% endmacro %}

{# The types of the columns of every table in the raw schema, by the names of table and column. #}
{% macro column_types_by_table() %}
    {% set tables = {} %}
    {% for row in run_query(
        "select table_name, column_name, data_type from information_schema.columns where table_catalog = '" ~
        (var("raw_database", none) or target.database) ~ "' and table_schema = '" ~ (var("raw_schema", none) or "amocrm") ~ "'"
    ).rows %}
        {% do tables.setdefault(row[0] | lower, {}).update({row[1] | lower: row[2] | lower}) %}
    {% endfor %}
    {{ return(tables) }}
{% endmacro %}

{#
    When the last successful sync of a project ended, as a scalar subquery. `source-amocrm sync` keeps the moment in the table
    `syncs`. Airbyte has no such table, but each successful sync rewrites all `whole_lists`, so the last one is as old as the oldest
    of these lists.
#}
{% macro synced_at(project) %}
    {% set syncs = raw_relation(project, "syncs") %}
    {% if syncs is not none %}
    {% set types = column_types(syncs) %}
    (select max(case when {{ cast_column("ended_well", "bool", types["ended_well"]) }} then {{ cast_column("ended_at", "time", types["ended_at"]) }} end)
        from {{ syncs }} as raw)
    {% elif is_unfinished(project) %}
    cast(null as timestamp)
    {% else %}
    (select min(lists.extracted_at) from (
        select cast(null as timestamp) as extracted_at
        {% for table in whole_lists() if raw_relation(project, table) is not none %}
        {% set relation = raw_relation(project, table) %}
        {% set types = column_types(relation) %}
        union all
        select max({{ extracted_at(types) }}) from {{ relation }} as raw
        {% endfor %}
    ) as lists)
    {% endif %}
{% endmacro %}

{# When a sync wrote a raw row, UTC; null where the destination does not tell. #}
{% macro extracted_at(types) %}{{ cast_column("_airbyte_extracted_at", "time", types.get("_airbyte_extracted_at")) }}{% endmacro %}

{# Whether `source-amocrm sync` writes the tables of a project, and has not ended yet: they have a part of the account. #}
{% macro is_unfinished(project) %}
    {{ return(raw_relation(project, "state") is not none and raw_relation(project, "syncs") is none) }}
{% endmacro %}

{# The `loaded_at_query` of every source: the last successful sync of the project that was synced longest ago. #}
{% macro loaded_at() %}
    select min(projects.synced_at) from (
        {% for project in var("projects") %}
        {% if not loop.first %}union all{% endif %}
        select {{ synced_at(project) }} as synced_at
        {% endfor %}
    ) as projects
{% endmacro %}

{# A column of a raw table in the type that the package works with, whichever type the destination gave it. #}
{% macro cast_column(name, kind, found) %}
    {%- set own_types = {"int": "bigint", "number": ("decimal", "numeric"), "quantity": ("decimal", "numeric"), "bool": "boolean"} -%}
    {%- if found is none -%}
        cast(null as {{ type_of(kind) }})
    {%- elif kind == "time" and "with time zone" in found -%}
        {{ utc("raw." ~ name) }}
    {%- elif kind == "time" and not found.startswith("timestamp") -%}
        {{ utc("cast(nullif(cast(raw." ~ name ~ " as varchar), '') as timestamp with time zone)") }}
    {%- elif kind == "json" and "char" not in found and "text" not in found -%}
        cast(raw.{{ name }} as {{ json_type() }})
    {%- elif kind in ("text", "time") or found.startswith(own_types.get(kind, "-")) -%}
        cast(raw.{{ name }} as {{ type_of(kind) }})
    {%- else -%}
        cast(nullif(cast(raw.{{ name }} as varchar), '') as {{ type_of(kind) }})
    {%- endif -%}
{% endmacro %}

{% macro type_of(kind) %}
    {%- set types = {
        "int": "bigint", "number": "numeric(38, 2)", "quantity": "numeric(38, 9)", "text": "varchar", "bool": "boolean", "time": "timestamp",
        "json": json_type()
    } -%}
    {{ return(types[kind]) }}
{% endmacro %}

{# SQL of a project's time zone: the var `time_zone`, else the account's own, else UTC. #}
{% macro time_zone_of(project) %}
    {% if var("time_zone", none) %}{{ return("'" ~ var("time_zone") | replace("'", "''") ~ "'") }}{% endif %}
    {% set account = raw_relation(project, "account") %}
    {% if account is none %}{{ return("'UTC'") }}{% endif %}
    {{ return(
        "(select coalesce(max(cast(datetime_settings as " ~ json_type() ~ ") ->> 'timezone'), 'UTC') from " ~ account ~ ")"
    ) }}
{% endmacro %}

{#
    The rows of a table over all projects: project_id, then the columns in their kinds (int, number, quantity, text,
    bool, time, json). A table that is not there gives no row, a column that is not there gives null. Each time comes twice: in UTC
    and, as <name>_local, by the clock on the account's wall.
    `of_stream`: whether the table is one of amoCRM's, and none that a sync or a verification keeps of itself.
#}
{% macro raw(table, columns, of_stream=true) %}
    {% if of_stream %}{% do source("amocrm", table) %}{% endif %}
    {% for project in var("projects") %}
    {% if not loop.first %}union all{% endif %}
    {% set relation = raw_relation(project, table) if execute else none %}
    {% set types = column_types(relation) if execute else {} %}
    select
        cast('{{ project }}' as varchar) as project_id
        {%- for name, kind in columns.items() %}
        , {{ cast_column(name, kind, types.get(name)) }} as {{ name }}
        {%- if kind == "time" %}
        {%- set zoned = "with time zone" in types.get(name, "") %}
        , {{ "raw." ~ name if zoned else cast_column(name, kind, types.get(name)) ~ " at time zone 'UTC'" }} at time zone zone.name as {{ name }}_local
        {%- endif %}
        {%- endfor %}
    from (select {{ time_zone_of(project) if execute else "'UTC'" }} as name) as zone
    {% if relation is none %}where false{% else %}cross join {{ relation }} as raw{% endif %}
    {% endfor %}
{% endmacro %}

{# Ends a build before it begins, with one sentence and the next step, if the tables or the settings cannot be used. #}
{% macro check_projects() %}
    {% if execute and flags.WHICH in ("build", "run") %}
        {% if not var("projects") %}
            {% do exceptions.raise_compiler_error("No project is named: give the ids in the tables' prefixes, as in projects: ['1001'].") %}
        {% endif %}
        {% for project in var("projects") if raw_relation(project, "deals") is none and raw_relation(project, "account") is none %}
            {% do exceptions.raise_compiler_error(no_tables(project, var("raw_schema", none) or "amocrm")) %}
        {% endfor %}
        {% set zone = var("time_zone", none) %}
        {% if zone %}
            {% set known = run_query(known_zone(zone)) %}
            {% if known.rows | length == 0 %}
                {% do exceptions.raise_compiler_error(unknown_time_zone(zone)) %}
            {% endif %}
        {% endif %}
    {% endif %}
{% endmacro %}

{% macro no_tables(project, schema) -%}
    There are no tables of the project {{ project }} in the schema {{ schema }} of this database: read the account first (source-amocrm sync --project {{ project }}), or name another project or schema.
{%- endmacro %}

{% macro unknown_time_zone(zone) -%}
    The time zone {{ zone }} is not known: write its name as in Europe/Moscow, or leave it out, and the account's own is taken.
{%- endmacro %}

{% macro known_zone(zone) %}{{ return(adapter.dispatch("known_zone", "amocrm")(zone)) }}{% endmacro %}
{% macro default__known_zone(zone) %}select 1 from pg_timezone_names where name = '{{ zone | replace("'", "''") }}'{% endmacro %}
{% macro duckdb__known_zone(zone) %}select 1 from pg_timezone_names() where name = '{{ zone | replace("'", "''") }}'{% endmacro %}
