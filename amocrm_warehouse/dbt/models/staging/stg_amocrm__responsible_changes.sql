{{ config(enabled=var("histories", true)) }}
-- changes of deals are in stg_deal_responsible_changes
{% set tables = {
    "contact": ("contact_responsible_changes", "contact_id"), "company": ("company_responsible_changes", "company_id"),
    "customer": ("customer_responsible_changes", "customer_id")
} %}
{% for entity, (table, key) in tables.items() %}
{% if not loop.first %}union all{% endif %}
select
    project_id,
    event_id,
    '{{ entity }}' as entity_type,
    {{ key }} as entity_id,
    created_by,
    created_at,
    responsible_user_id_old,
    responsible_user_id_new
from (
    {{ raw(table, {
        "event_id": "text", key: "int", "created_by": "int", "created_at": "time",
        "responsible_user_id_old": "int", "responsible_user_id_new": "int"
    }) }}
) as source
{% endfor %}
