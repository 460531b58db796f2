with source as (
    {{ raw("groups", {
        "group_id": "int", "name": "text"
    }) }}
)

select * from source
