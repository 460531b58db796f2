{# The tables of the connector. Those that the models are made of come first. #}
{% macro used_tables() %}
    {{ return([
        "account", "calls", "companies", "company_field_changes", "company_responsible_changes",
        "contact_field_changes", "contact_responsible_changes", "contact_tags", "contacts", "custom_fields",
        "custom_fields_companies", "custom_fields_contacts", "custom_fields_customers", "custom_fields_deals",
        "customer_field_changes", "customer_responsible_changes", "customer_transactions", "customers",
        "deal_companies", "deal_contacts", "deal_field_changes", "deal_responsible_changes", "deal_sale_changes",
        "deal_statuses", "deal_tags", "deals", "deleted_entities", "events", "groups", "live_entities",
        "loss_reasons", "messages", "notes", "statuses", "talks", "task_types", "tasks", "users"
    ]) }}
{% endmacro %}

{% macro other_tables() %}
    {{ return([
        "bots", "catalog_elements", "catalogs", "company_tags", "contact_companies", "custom_field_groups",
        "custom_fields_catalog_elements", "customer_contacts", "customer_segments", "customer_statuses",
        "customer_tags", "deal_catalog_elements", "element_types", "event_types", "files", "note_types", "pipelines",
        "roles", "sources", "tags", "unsorted", "webhooks", "widgets"
    ]) }}
{% endmacro %}

{# Lists that every sync rewrites, changed or not. #}
{% macro whole_lists() %}
    {{ return(["account", "users", "groups", "statuses", "loss_reasons", "task_types"]) }}
{% endmacro %}
