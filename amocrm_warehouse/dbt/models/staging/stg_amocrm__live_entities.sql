with source as (
    {{ raw("live_entities", {"entity_type": "text", "entity_id": "int", "updated_at": "time", "listed_at": "time"}) }}
)

-- the last list of each kind of entities; a destination that appends keeps earlier lists as well
select project_id, {{ entity_of_word("entity_type") }} as entity_type, entity_id, updated_at, listed_at
from (
    select
        project_id,
        entity_type,
        entity_id,
        updated_at,
        listed_at,
        max(listed_at) over (partition by project_id, entity_type) as last_listed_at
    from source
) as listed
where listed_at = last_listed_at
