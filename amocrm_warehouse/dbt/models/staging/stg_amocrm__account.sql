with source as (
    {{ raw("account", {
        "account_id": "int", "name": "text", "subdomain": "text", "datetime_settings": "json",
        "currency": "text", "invoices_settings": "json", "drive_url": "text"
    }) }}
)

select
    project_id,
    account_id,
    name,
    subdomain,
    -- no column has the account's domain, but an account of Kommo keeps its files at kommo.com
    subdomain || case when drive_url like '%.kommo.com%' then '.kommo.com' else '.amocrm.ru' end as domain,
    {% if var("time_zone", none) %}cast('{{ var("time_zone") }}' as varchar){% else %}coalesce(datetime_settings ->> 'timezone', 'UTC'){% endif %} as time_zone,
    -- documents of amoCRM show an account without its currency
    coalesce(currency, invoices_settings ->> 'currency') as currency
from source
