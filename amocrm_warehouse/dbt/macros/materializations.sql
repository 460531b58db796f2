{#
    How `source-amocrm models` replaces tables and views of DuckDB: by one statement in the transaction that checks the key. dbt-duckdb
    renames the old table away and the new one into its place, and builds dbt's whole context for each of these steps. A
    user's own project uses dbt's materializations.
#}
{% materialization table, adapter="duckdb" %}{{ return(replaced("table")) }}{% endmaterialization %}

{% materialization view, adapter="duckdb" %}{{ return(replaced("view")) }}{% endmaterialization %}

{% macro replaced(type) %}
    {% set old, relation = load_cached_relation(this), this.incorporate(type=type) %}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% if config.get("contract").enforced %}{{ get_assert_columns_equivalent(sql) }}{% endif %}
    {% call statement("main") %}
        {% if old is not none and old.type != type %}drop {{ old.type }} {{ old }};{% endif %}
        create or replace {{ type }} {{ relation }} as ({{ sql }});
        {{ duckdb__alter_relation_comment(relation, model.description) }}
        {% for name, column in model.columns.items() %}
        comment on column {{ relation }}.{{ name }} is {{ duckdb_escape_comment(column.description) }};
        {% endfor %}
    {% endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({"relations": [relation]}) }}
{% endmacro %}
