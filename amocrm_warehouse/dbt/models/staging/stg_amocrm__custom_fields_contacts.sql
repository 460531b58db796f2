with source as (
    {{ raw("custom_fields_contacts", value_columns("contact")) }}
)

{{ values_of_card(ref("stg_amocrm__contacts"), "contact") }}
