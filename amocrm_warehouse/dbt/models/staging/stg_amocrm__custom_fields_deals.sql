with source as (
    {{ raw("custom_fields_deals", value_columns("lead")) }}
)

{{ values_of_card(ref("stg_amocrm__deals"), "lead", id="deal_id") }}
