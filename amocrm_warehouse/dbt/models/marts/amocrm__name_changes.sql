-- What came, went or was renamed in the account's lists, by the history of names that a sync keeps. Names of the first reading of a
-- list are no changes. One transaction ends a name and begins the next, so both have the same moment.
with names as (
    {{ raw("names", {
        "source_table": "text", "parent": "text", "id": "int", "name": "text", "first_seen_at": "time", "gone_at": "time"
    }, of_stream=false) }}
),

versions as (
    select
        *,
        lag(name) over of_entry as name_before,
        lag(gone_at) over of_entry as gone_before_at,
        lead(first_seen_at) over of_entry as seen_next_at,
        min(first_seen_at) over (partition by project_id, source_table) as list_first_seen_at
    from names
    window of_entry as (partition by project_id, source_table, parent, id order by first_seen_at)
),

changes as (
    select
        project_id, source_table, parent, id,
        case when gone_before_at = first_seen_at then 'renamed' else 'came' end as change,
        case when gone_before_at = first_seen_at then name_before end as name_before,
        name as name_after,
        first_seen_at as changed_at,
        first_seen_at_local as changed_at_local
    from versions
    where first_seen_at > list_first_seen_at and (gone_before_at is distinct from first_seen_at or name is distinct from name_before)

    union all

    select project_id, source_table, parent, id, 'went', name, null, gone_at, gone_at_local
    from versions
    where gone_at is not null and seen_next_at is distinct from gone_at
)

select
    changes.project_id,
    changes.changed_at,
    changes.changed_at_local,
    changes.source_table,
    changes.parent,
    pipelines.name as parent_name,
    changes.id as name_id,
    changes.change,
    changes.name_before,
    changes.name_after
from changes
left join {{ ref("stg_amocrm__names") }} as pipelines
    on pipelines.project_id = changes.project_id and pipelines.source_table = 'pipelines' and changes.source_table = 'statuses'
    and cast(pipelines.name_id as varchar) = changes.parent
