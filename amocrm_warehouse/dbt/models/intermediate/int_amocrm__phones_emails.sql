-- Phones and e-mail addresses of contacts and companies. Equal ones have the same form in `same`; a hash (personal_data) was made
-- of that form already.
{% for entity, table in [("contact", "stg_amocrm__custom_fields_contacts"), ("company", "stg_amocrm__custom_fields_companies")] %}
{% if not loop.first %}union all{% endif %}
select
    project_id,
    '{{ entity }}' as entity_type,
    {{ entity }}_id as entity_id,
    case field_code when 'PHONE' then 'phone' else 'email' end as kind,
    value_index,
    value,
    case
        when value ~ '^[0-9a-f]{64}$' then value
        when field_code = 'PHONE' then {{ same_phone("value") }}
        else lower(trim(value))
    end as same
from {{ ref(table) }}
where field_code in ('PHONE', 'EMAIL') and value is not null
{% endfor %}
