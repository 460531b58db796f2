with source as (
    {{ raw("custom_fields_companies", value_columns("company")) }}
)

{{ values_of_card(ref("stg_amocrm__companies"), "company") }}
