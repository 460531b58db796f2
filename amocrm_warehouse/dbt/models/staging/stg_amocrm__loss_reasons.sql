with source as (
    {{ raw("loss_reasons", {
        "loss_reason_id": "int", "name": "text"
    }) }}
)

select * from source
