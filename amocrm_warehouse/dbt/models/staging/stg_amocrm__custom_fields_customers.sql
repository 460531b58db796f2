with source as (
    {{ raw("custom_fields_customers", value_columns("customer")) }}
)

{{ values_of_card(ref("stg_amocrm__customers"), "customer") }}
