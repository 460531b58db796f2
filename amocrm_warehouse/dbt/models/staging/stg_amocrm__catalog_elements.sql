with source as (
    {{ raw("catalog_elements", {
        "catalog_element_id": "int", "catalog_id": "int", "name": "text", "read_at": "time"
    }) }}
)

select project_id, catalog_element_id, catalog_id, name, read_at
from source
