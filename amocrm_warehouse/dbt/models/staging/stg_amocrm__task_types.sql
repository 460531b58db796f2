with source as (
    {{ raw("task_types", {
        "task_type_id": "int", "name": "text"
    }) }}
)

select * from source
