{# The tables of the connector. Those that the models are made of come first. #}
{% macro used_tables() %}
    {{ return([
        "account", "calls", "catalog_elements", "companies", "company_field_changes", "company_responsible_changes",
        "contact_field_changes", "contact_responsible_changes", "contact_tags", "contacts", "custom_fields",
        "custom_fields_catalog_elements", "custom_fields_companies", "custom_fields_contacts", "custom_fields_customers", "custom_fields_deals",
        "customer_field_changes", "customer_responsible_changes", "customer_transactions", "customers",
        "deal_catalog_elements", "deal_companies", "deal_contacts", "deal_field_changes", "deal_responsible_changes", "deal_sale_changes",
        "deal_statuses", "deal_tags", "deals", "deleted_entities", "events", "groups", "live_entities",
        "loss_reasons", "messages", "notes", "statuses", "talks", "task_types", "tasks", "users"
    ]) }}
{% endmacro %}

{% macro other_tables() %}
    {{ return([
        "bots", "catalogs", "company_tags", "contact_companies", "custom_field_groups",
        "customer_contacts", "customer_segments", "customer_statuses",
        "customer_tags", "element_types", "event_types", "files", "note_types", "pipelines",
        "roles", "sources", "tags", "unsorted", "webhooks", "widgets"
    ]) }}
{% endmacro %}

{# Lists that every sync rewrites, changed or not. #}
{% macro whole_lists() %}
    {{ return(["account", "users", "groups", "statuses", "loss_reasons", "task_types"]) }}
{% endmacro %}

{# The row of int_tables of a model or seed: its name in this package, and where its table is. #}
{% macro table_of(node) %}
    {{ return((node.name | replace("amocrm__", ""), node.schema, node.alias, node.package_name)) }}
{% endmacro %}

{#
    After a run: a model that failed, whose test failed, or that was skipped leaves int_tables, for its table is of an earlier build. A
    model that a run builds without int_tables comes back.
#}
{% macro keep_built(home, results) %}
    {% set unbuilt, built = [], [] %}
    {% for result in (results if execute else []) if result.status not in ("success", "pass", "warn") %}
        {% do unbuilt.append((result.node.attached_node or result.node.unique_id).split(".")[-1] | replace("amocrm__", "")) %}
    {% endfor %}
    {% for result in (results if execute else []) if result.status == "success" and "amocrm__" in result.node.name %}
        {% set row = amocrm.table_of(result.node) %}
        {% do built.append(row) if row[0] not in unbuilt %}
    {% endfor %}
    {% set is_new = "int_tables" in built | map("first") %}
    {% if (unbuilt or built and not is_new) and load_relation(home) %}
        delete from {{ home }} where table_name in ('{{ (unbuilt + ([] if is_new else built | map("first") | list)) | join("', '") }}');
        {% if built and not is_new %}
            insert into {{ home }} values {% for row in built %}('{{ row | join("', '") }}'){{ ", " if not loop.last }}{% endfor %};
        {% endif %}
    {% endif %}
{% endmacro %}
