{{ config(enabled=var("histories", true)) }}
{% set tables = {
    "deal": ("deal_field_changes", "lead_id"), "contact": ("contact_field_changes", "contact_id"),
    "company": ("company_field_changes", "company_id"), "customer": ("customer_field_changes", "customer_id")
} %}
{% for entity, (table, key) in tables.items() %}
{% if not loop.first %}union all{% endif %}
select
    project_id,
    event_id,
    '{{ entity }}' as entity_type,
    {{ key }} as entity_id,
    custom_field_id,
    created_by,
    created_at,
    value_old,
    value_new,
    cast(enums_old as varchar) as enums_old
from (
    {{ raw(table, {
        "event_id": "text", key: "int", "custom_field_id": "int", "created_by": "int", "created_at": "time",
        "value_old": "text", "value_new": "text", "enums_old": "json"
    }) }}
) as source
{% endfor %}
