with source as (
    {{ raw("users", {
        "user_id": "int", "name": "text", "email": "text", "group_id": "int", "is_active": "bool",
        "is_admin": "bool"
    }) }}
)

select * from source

union all

-- a user whom the account has removed keeps the last name
select names.project_id, names.name_id, names.name, cast(null as varchar), cast(null as bigint), false, cast(null as boolean)
from {{ ref("stg_amocrm__names") }} as names
left join source on source.project_id = names.project_id and source.user_id = names.name_id
where names.source_table = 'users' and source.user_id is null
