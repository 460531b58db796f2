-- UTM and the other tracking fields of a deal, by the codes that amoCRM gives them
{% set codes = ["utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term", "utm_referrer", "referrer", "roistat",
    "gclid", "gclientid", "yclid", "fbclid", "_ym_uid"] %}
select
    project_id,
    deal_id
    {%- for code in codes %},
    max(case when lower(field_code) = '{{ code }}' then value end) as {{ "ym_uid" if code == "_ym_uid" else code }}
    {%- endfor %}
from {{ ref("stg_amocrm__custom_fields_deals") }}
where value_index = 0 and field_code is not null
group by project_id, deal_id
