with source as (
    {{ raw("deleted_entities", {
        "event_id": "text", "entity_type": "text", "entity_id": "int", "created_by": "int",
        "created_at": "time", "deleted_at": "time", "restored_at": "time"
    }) }}
)

-- entities that are deleted now: the last row of each tells of a deletion, not of a restoration
select project_id, entity_type, entity_id, deleted_at, deleted_at_local, deleted_by
from (
    select
        project_id,
        {{ entity_of_word("entity_type") }} as entity_type,
        entity_id,
        deleted_at,
        deleted_at_local,
        created_by as deleted_by,
        row_number() over (
            partition by project_id, entity_type, entity_id order by created_at desc, event_id desc
        ) as nth
    from source
) as numbered
where nth = 1 and deleted_at is not null
