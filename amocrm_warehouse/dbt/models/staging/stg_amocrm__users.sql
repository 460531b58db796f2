with source as (
    {{ raw("users", {
        "user_id": "int", "name": "text", "email": "text", "group_id": "int", "is_active": "bool",
        "is_admin": "bool"
    }) }}
)

select * from source
