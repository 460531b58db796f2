with source as (
    {{ raw("account", {
        "account_id": "int", "name": "text", "subdomain": "text", "datetime_settings": "json",
        "invoices_settings": "json"
    }) }}
)

select
    project_id,
    account_id,
    name,
    subdomain,
    {% if var("time_zone", none) %}cast('{{ var("time_zone") }}' as varchar){% else %}coalesce(datetime_settings ->> 'timezone', 'UTC'){% endif %} as time_zone,
    invoices_settings ->> 'currency' as currency
from source
