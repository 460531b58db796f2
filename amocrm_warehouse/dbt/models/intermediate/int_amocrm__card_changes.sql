{{ config(enabled=var("histories", true)) }}
{#
    One row per change of one card, in the kinds of mass_changes. `before` and `after` are the keys of the values: `pipeline:status` of
    a stage, the id of a user, a number, a text, the name of a task's type, its deadline by the clock of the account. An event of a mass
    edit may lack the value before; then it is the value after the card's previous change of the same part.
#}
with changes as (
    select
        project_id, event_id, 'stage' as kind, 'deal' as entity_type, deal_id as entity_id, cast(null as bigint) as custom_field_id,
        created_by as author_id, created_at as changed_at,
        cast(pipeline_id_old as varchar) || ':' || cast(status_id_old as varchar) as before,
        cast(pipeline_id_new as varchar) || ':' || cast(status_id_new as varchar) as after,
        cast(null as varchar) as enums_before
    from {{ ref("stg_amocrm__deal_statuses") }}

    union all

    select
        project_id, event_id, 'responsible', 'deal', deal_id, null, created_by, created_at,
        cast(responsible_user_id_old as varchar), cast(responsible_user_id_new as varchar), null
    from {{ ref("stg_amocrm__deal_responsible_changes") }}

    union all

    select
        project_id, event_id, 'responsible', entity_type, entity_id, null, created_by, created_at,
        cast(responsible_user_id_old as varchar), cast(responsible_user_id_new as varchar), null
    from {{ ref("stg_amocrm__responsible_changes") }}

    union all

    select
        project_id, event_id, 'budget', 'deal', deal_id, null, created_by, created_at,
        cast(budget_old as varchar), cast(budget_new as varchar), null
    from {{ ref("stg_amocrm__deal_sale_changes") }}

    union all

    select project_id, event_id, 'field', entity_type, entity_id, custom_field_id, created_by, created_at, value_old, value_new,
        enums_old
    from {{ ref("stg_amocrm__field_changes") }}

    union all

    select
        events.project_id,
        event_id,
        case
            when type in ('entity_tag_added', 'entity_tag_deleted') then 'tag'
            when type = 'customer_status_changed' then 'stage'
            when type = 'entity_merged' then 'merged'
            when right(type, 8) = '_deleted' then 'deleted'
            when right(type, 9) = '_restored' then 'restored'
            else 'task'
        end,
        entity_type,
        entity_id,
        null,
        created_by,
        created_at,
        case type
            when 'task_deadline_changed' then {{ moment_of_event("before", "accounts.time_zone") }}
            when 'task_type_changed' then coalesce(type_before.name, before)
            else before
        end,
        case type
            when 'task_deadline_changed' then {{ moment_of_event("after", "accounts.time_zone") }}
            when 'task_type_changed' then coalesce(type_after.name, after)
            else coalesce(after, case when type in ('task_added', 'task_completed') then replace(type, 'task_', '') end)
        end,
        null
    from {{ ref("stg_amocrm__events") }} as events
    inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = events.project_id
    {%- for side in ["before", "after"] %}
    left join {{ ref("stg_amocrm__task_types") }} as type_{{ side }}
        on type_{{ side }}.project_id = events.project_id
        and cast(type_{{ side }}.task_type_id as varchar) = case when type = 'task_type_changed' then {{ side }} end
    {%- endfor %}
    where type in (
        'entity_tag_added', 'entity_tag_deleted', 'customer_status_changed', 'entity_merged',
        'task_added', 'task_completed', 'task_type_changed', 'task_text_changed', 'task_deadline_changed',
        'lead_deleted', 'contact_deleted', 'company_deleted', 'customer_deleted', 'task_deleted',
        'lead_restored', 'contact_restored', 'company_restored', 'customer_restored'
    )
)

select
    project_id, event_id, kind, entity_type, entity_id, custom_field_id, author_id, changed_at,
    case when kind in ('stage', 'responsible', 'budget') then coalesce(before, lag(after) over of_part) else before end as before,
    after, enums_before,
    lead(event_id) over of_part is null as is_last
from changes
where entity_type is not null and entity_id is not null and changed_at is not null
window of_part as (partition by project_id, entity_type, entity_id, kind, custom_field_id order by changed_at, event_id)
