with same as (
    select distinct found.project_id, found.kind, found.entity_type, found.same, found.entity_id, entities.name
    from {{ ref("int_amocrm__phones_emails") }} as found
    inner join (
        select project_id, 'contact' as entity_type, contact_id as entity_id, name, is_deleted from {{ ref("stg_amocrm__contacts") }}
        union all
        select project_id, 'company', company_id, name, is_deleted from {{ ref("stg_amocrm__companies") }}
    ) as entities
        on entities.project_id = found.project_id
        and entities.entity_type = found.entity_type
        and entities.entity_id = found.entity_id
    where not entities.is_deleted and found.same <> ''
),

counted as (
    select same.*, count(*) over (partition by project_id, kind, entity_type, same) as entities
    from same
)

select
    project_id,
    'same_' || kind as kind,
    entity_type,
    entity_id,
    name as entity_name,
    same as value,
    entities,
    cast(null as timestamp) as merged_at,
    cast(null as timestamp) as merged_at_local,
    cast(null as bigint) as merged_by,
    cast(null as varchar) as event_id
from counted
where entities > 1

union all

select
    events.project_id,
    'merge',
    events.entity_type,
    events.entity_id,
    entities.name,
    null,
    null,
    events.created_at,
    events.created_at_local,
    events.created_by,
    events.event_id
from {{ ref("stg_amocrm__events") }} as events
left join {{ ref("int_amocrm__entities") }} as entities
    on entities.project_id = events.project_id
    and entities.entity_type = events.entity_type
    and entities.entity_id = events.entity_id
where events.type = 'entity_merged'
