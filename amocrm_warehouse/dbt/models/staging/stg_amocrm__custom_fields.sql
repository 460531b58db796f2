with source as (
    {{ raw("custom_fields", {
        "custom_field_id": "int", "entity_type": "text", "name": "text", "code": "text", "type": "text", "sort": "int",
        "enums": "json", "column_name": "text"
    }) }}
)

select
    project_id,
    {{ entity_of_word("entity_type") }} as entity_type,
    custom_field_id,
    name,
    code as field_code,
    type as field_type,
    sort as field_sort,
    enums as options,
    column_name
from source
