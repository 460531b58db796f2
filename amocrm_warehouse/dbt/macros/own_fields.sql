{# Custom fields as columns of the marts: which there are, how they are named and typed, and one field to group by. #}

{# The kinds of cards that have fields: the staging model of their values, the card's key and the connector's table. #}
{% macro field_owners() %}
    {{ return({
        "deal": {"values": "stg_amocrm__custom_fields_deals", "key": "deal_id", "table": "custom_fields_deals"},
        "contact": {"values": "stg_amocrm__custom_fields_contacts", "key": "contact_id", "table": "custom_fields_contacts"},
        "company": {"values": "stg_amocrm__custom_fields_companies", "key": "company_id", "table": "custom_fields_companies"},
        "customer": {"values": "stg_amocrm__custom_fields_customers", "key": "customer_id", "table": "custom_fields_customers"},
    }) }}
{% endmacro %}

{# SQL condition: the values of this kind of cards were read for the project. #}
{% macro values_were_read(project, entity_type) %}
    {%- set read = [] -%}
    {%- for entity, owner in field_owners().items() if execute -%}
        {%- for id in var("projects") if raw_relation(id, owner.table) is not none -%}
            {%- do read.append("(" ~ project ~ " = '" ~ id ~ "' and " ~ entity_type ~ " = '" ~ entity ~ "')") -%}
        {%- endfor -%}
    {%- endfor -%}
    ({{ read | join(" or ") or "false" }})
{%- endmacro %}

{% macro has_options(type) %}{{ type }} in ('select', 'multiselect', 'radiobutton', 'category'){% endmacro %}

{# A text as a number, a date, a moment or a flag; null if the text is none, so that no value can stop a build. #}
{% macro number_in(text) %}
    case
        when {{ text }} ~ '^[+-]?0*[0-9]{1,28}([.][0-9]{0,200})?$' then cast({{ text }} as numeric(38, 9))
        when {{ text }} ~ '^[+-]?[0-9]{1,17}([.][0-9]{0,200})?[eE][+-]?[0-9]{1,2}$' then
            case when abs(cast({{ text }} as double precision)) < 1e28
                then cast(cast({{ text }} as double precision) as numeric(38, 9)) end
    end
{%- endmacro %}

{% macro date_in(text) %}
    {%- set first = "cast(substr(" ~ text ~ ", 1, 8) || '01' as date)" -%}
    {%- set day = first ~ " + (cast(substr(" ~ text ~ ", 9, 2) as integer) - 1)" -%}
    case
        when {{ text }} ~ '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T.*)?$' and substr({{ text }}, 1, 4) <> '0000'
            -- the 31st of a month of 30 days is the first of the next one
            then case when extract(month from {{ day }}) = cast(substr({{ text }}, 6, 2) as integer) then {{ day }} end
    end
{%- endmacro %}

{% macro moment_in(text) %}
    case
        when {{ text }} ~ '^[0-9-]{10}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$' and {{ date_in(text) }} is not null
            then cast(replace(substr({{ text }}, 1, 19), 'T', ' ') as timestamp)
    end
{%- endmacro %}

{% macro flag_in(text) %}case when {{ text }} in ('true', '1') then true when {{ text }} in ('false', '0') then false end{% endmacro %}

{# Whether `wanted` is the id, code or name of a field, in any case. #}
{% macro is_field(wanted, id, code, name) %}
    {% set word = wanted | string | trim | lower %}
    {{ return(word in (id | string, (code or "") | lower, (name or "") | trim | lower)) }}
{% endmacro %}

{#
    The fields of one kind of cards that are columns, in the order of the account: dictionaries of project_id, id, name,
    name_at_first, code, type, kind and column.
#}
{% macro own_fields(entity_type) %}
    {% set relation = ref("int_amocrm__own_fields") %}
    {{ return(fields_kept_in(load_relation(relation) if execute, entity_type)) }}
{% endmacro %}

{% macro fields_kept_in(relation, entity_type) %}
    {% set found = [] %}
    {% if relation %}
        {% set projects = var("projects") | map("string") | join("', '") %}
        {% set rows = run_query(
            "select project_id, custom_field_id, name, name_at_first, field_code, field_type, value_kind, column_name from " ~ relation ~
            " where entity_type = '" ~ entity_type ~ "' and project_id in ('" ~ projects ~ "')" ~
            " order by project_id, is_deleted_field, field_sort, custom_field_id"
        ) %}
        {% for row in rows.rows %}
            {% do found.append({
                "project_id": row[0], "id": row[1] | int, "name": row[2], "name_at_first": row[3], "code": row[4],
                "type": row[5], "kind": row[6], "column": row[7]
            }) %}
        {% endfor %}
    {% endif %}
    {{ return(found) }}
{% endmacro %}

{#
    The `own_fields` that become columns: all of them, or those that the var `fields` names, by their present or their first name.
    PostgreSQL has at most 1,600 columns in a table: fields past 1,000 are in entity_fields alone.
#}
{% macro columns_of_fields(entity_type) %}
    {% set chosen, wanted = [], var("fields", none) %}
    {% for field in own_fields(entity_type) %}
        {% set named = [] %}
        {% for word in wanted or [] if is_field(word, field.id, field.code, field.name) or is_field(word, field.id, none, field.name_at_first) %}
            {% do named.append(word) %}
        {% endfor %}
        {% if (wanted is none or named) and chosen | length < 1000 %}{% do chosen.append(field) %}{% endif %}
    {% endfor %}
    {{ return(chosen) }}
{% endmacro %}

{# One row per card, for a WITH: project_id, entity_id, and a column for each field, null if the field is empty. #}
{% macro cells(entity_type) %}
    {% set columns, relation = columns_of_fields(entity_type), ref("amocrm__entity_fields") %}
    {% set aggregates = {
        "number": "max(one.value_number)", "boolean": "bool_or(one.value_boolean)", "date": "max(one.value_date)",
        "time": "max(one.value_at)", "text": "max(coalesce(several.joined, one.value))",
        "list": "max(coalesce(several.list, case when one.value is not null then array[one.value] end))",
    } %}
    select
        one.project_id,
        one.entity_id
        {%- for field in columns %},
        {{ aggregates[field.kind] }} filter (where one.custom_field_id = {{ field.id }}{% if var("projects") | length > 1 %} and one.project_id = '{{ field.project_id }}'{% endif %}) as {{ field.column }}
        {%- endfor %}
    from {{ relation }} as one
    left join (
        select
            project_id, entity_id, custom_field_id,
            {{ joined_in_order("value", "value_index") }} as joined,
            {{ in_order("value", "value_index") }} as list
        from {{ relation }} as every
        where entity_type = '{{ entity_type }}' and exists (
            select 1 from {{ relation }} as further
            where further.entity_type = '{{ entity_type }}'
                and further.value_index > 0
                and further.project_id = every.project_id
                and further.entity_id = every.entity_id
                and further.custom_field_id = every.custom_field_id
        )
        group by project_id, entity_id, custom_field_id
    ) as several
        on several.project_id = one.project_id
        and several.entity_id = one.entity_id
        and several.custom_field_id = one.custom_field_id
    where one.entity_type = '{{ entity_type }}' and one.value_index = 0
    group by one.project_id, one.entity_id
{% endmacro %}

{# The columns of `cells`, for the end of a select list. #}
{% macro cells_of(entity_type, cells) %}
    {%- for field in columns_of_fields(entity_type) %},
    {{ cells }}.{{ field.column }}
    {%- endfor %}
{%- endmacro %}

{# Comments the columns of `cells` in the database with the present names of their fields; for a post_hook. #}
{% macro describe_cells(entity_type) %}
    {% for field in columns_of_fields(entity_type) %}
    comment on column {{ this }}.{{ field.column }} is '{{ ((field.name or "") ~ " · " ~ field.type ~ ", " ~ field.id) | replace("'", "''") }}';
    {% endfor %}
    select 1
{% endmacro %}

{# A comma and the column by_value if the var `by` names a field to group by, else nothing. #}
{% macro by_value(relation=none) %}
    {%- if var("by", none) is not none -%}, {{ relation ~ "." if relation }}by_value{%- endif -%}
{% endmacro %}

{% macro and_same_by_value(one, other) %}
    {%- if var("by", none) is not none -%}and {{ one }}.by_value is not distinct from {{ other }}.by_value{%- endif -%}
{% endmacro %}

{# The id of the deals' field that the var `by` names, by project; a field's present name comes before another field's first name. #}
{% macro fields_of_by() %}
    {% set chosen = {} %}
    {% for name in ["name", "name_at_first"] if var("by", none) is not none %}
        {% for field in own_fields("deal") if is_field(var("by"), field.id, field.code, field[name]) and field.project_id not in chosen %}
            {% do chosen.update({field.project_id: field.id}) %}
        {% endfor %}
    {% endfor %}
    {{ return(chosen) }}
{% endmacro %}

{# Joins `cut`, each deal's value of the field that the var `by` names; several options of a deal are one value. #}
{% macro join_by_value(deals) %}
    {% set relation, chosen = ref("amocrm__entity_fields"), fields_of_by() %}
    {% if var("by", none) is not none %}
    left join (
        select project_id, entity_id, {{ joined_in_order("value", "value") }} as by_value
        from {{ relation }}
        where entity_type = 'deal' and (
            {%- for project, id in chosen.items() %}(project_id = '{{ project }}' and custom_field_id = {{ id }}){{ " or " if not loop.last }}{% else %}false{% endfor -%}
        )
        group by project_id, entity_id
    ) as cut on cut.project_id = {{ deals }}.project_id and cut.entity_id = {{ deals }}.deal_id
    {% endif %}
{% endmacro %}

{# Ends a build before it begins, with one sentence, if the vars `fields` and `by` name a field that is not there, or `by` several. #}
{% macro check_fields() %}
    {% if execute and flags.WHICH in ("build", "run") %}
        {% set wanted = (var("fields", none) or []) + ([var("by")] if var("by", none) is not none else []) %}
        {% set known, of_deals = [], [] %}
        {% for project in var("projects") if wanted %}
            {% for entity, owner in field_owners().items() if raw_relation(project, owner.table) is not none %}
                {% for field in fields_in(project, entity, owner.table) %}
                    {% do known.append(field) %}
                    {% if entity == "deal" %}{% do of_deals.append((project, field)) %}{% endif %}
                {% endfor %}
            {% endfor %}
        {% endfor %}
        {% set before = {"cards": [], "deals": []} %}
        {% for entity in field_owners() if wanted %}
            {% for field in fields_kept_in(fields_of_last_build(), entity) %}
                {% do before.cards.append((field.id, field.code, field.name_at_first)) %}
                {% if entity == "deal" %}{% do before.deals.append((field.id, field.code, field.name_at_first)) %}{% endif %}
            {% endfor %}
        {% endfor %}
        {% for word in var("fields", none) or [] %}
            {{ check_named(word, known + before.cards, "the cards") }}
        {% endfor %}
        {% if var("by", none) is not none %}
            {{ check_named(var("by"), (of_deals | map(attribute=1) | list) + before.deals, "deals") }}
            {% for project in var("projects") %}
                {% set same = [] %}
                {% for owner, field in of_deals if owner == project and is_field(var("by"), field[0], field[1], field[2]) and field[0] not in same %}
                    {% do same.append(field[0]) %}
                {% endfor %}
                {% if same | length > 1 %}
                    {% do exceptions.raise_compiler_error(
                        "Several fields of deals of the project " ~ project ~ " are named “" ~ var("by") ~ "”: name one by its id, " ~
                        same | join(" or ") ~ "."
                    ) %}
                {% endif %}
            {% endfor %}
        {% endif %}
    {% endif %}
{% endmacro %}

{# The relation of int_own_fields at the start of a run, where `ref` does not work yet. #}
{% macro fields_of_last_build() %}
    {% for node in graph.nodes.values() if node.package_name == "amocrm" and node.name == "int_amocrm__own_fields" %}
        {{ return(adapter.get_relation(node.database, node.schema, node.alias)) }}
    {% endfor %}
{% endmacro %}

{% macro check_named(word, fields, cards) %}
    {% set found = [] %}
    {% for field in fields if is_field(word, field[0], field[1], field[2]) %}{% do found.append(field) %}{% endfor %}
    {% if not found %}
        {% do exceptions.raise_compiler_error(
            "There is no field “" ~ word ~ "” of " ~ cards ~ " in the tables of custom fields: give its name, its code or its id as amoCRM has it."
        ) %}
    {% endif %}
{% endmacro %}

{# Id, code and name of each field of one kind of cards: from the account's list of fields if that was read, else from the values. #}
{% macro fields_in(project, entity, values_table) %}
    {% set listed = raw_relation(project, "custom_fields") %}
    {% set word = {"deal": "leads", "contact": "contacts", "company": "companies", "customer": "customers"}[entity] %}
    {% if listed is not none %}
        {% set found = run_query("select distinct custom_field_id, code, name from " ~ listed ~ " where entity_type = '" ~ word ~ "' order by 1, 2, 3") %}
    {% endif %}
    {% if listed is none or not found.rows %}
        {% set found = run_query("select distinct custom_field_id, field_code, name from " ~ raw_relation(project, values_table) ~ " order by 1, 2, 3") %}
    {% endif %}
    {% set fields = [] %}
    {% for row in found.rows %}{% do fields.append((row[0] | int, row[1], row[2])) %}{% endfor %}
    {{ return(fields) }}
{% endmacro %}
