with source as (
    {{ raw("deleted_entities", {
        "event_id": "text", "entity_type": "text", "entity_id": "int", "created_by": "int",
        "created_at": "time", "deleted_at": "time", "restored_at": "time"
    }) }}
)

-- Entities that are deleted now: the last second in which anything happened to each has a deletion and no restoration. The events of
-- one second do not tell which came last: if it has both, the row of the card decides, which was read later.
select project_id, entity_type, entity_id, deleted_at, deleted_at_local, deleted_by
from (
    select
        project_id,
        {{ entity_of_word("entity_type") }} as entity_type,
        entity_id,
        deleted_at,
        deleted_at_local,
        created_by as deleted_by,
        row_number() over (of_entity order by created_at desc, event_id desc) as nth,
        max(created_at) over of_entity as last_at,
        max(restored_at) over of_entity as last_restored_at
    from source
    window of_entity as (partition by project_id, entity_type, entity_id)
) as numbered
where nth = 1 and deleted_at is not null and (last_restored_at = last_at) is not true
