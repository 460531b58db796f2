{{ config(enabled=var("histories", true)) }}
{#
    The changes that belong to a mass change: twenty cards or more by one author in one kind, each within a minute of the one before.
    `change_id` is the id of its first event and, of a custom field, the field's id.
#}
with gaps as (
    select *,
        changed_at - lag(changed_at) over burst <= interval '60 seconds' as goes_on
    from {{ ref("int_amocrm__card_changes") }}
    window burst as (
        partition by project_id, author_id, kind, entity_type, custom_field_id order by changed_at, event_id
    )
),

numbered as (
    select *, count(*) filter (where goes_on is not true) over burst as nth
    from gaps
    window burst as (
        partition by project_id, author_id, kind, entity_type, custom_field_id order by changed_at, event_id
        rows between unbounded preceding and current row
    )
),

bursts as (
    select
        project_id, author_id, kind, entity_type, custom_field_id, nth,
        max(case when goes_on is not true then event_id end) as first_event_id
    from numbered
    group by 1, 2, 3, 4, 5, 6
    having count(distinct entity_id) >= 20
)

select
    numbered.project_id,
    bursts.first_event_id || coalesce('-' || cast(numbered.custom_field_id as varchar), '') as change_id,
    numbered.event_id, numbered.kind, numbered.entity_type, numbered.entity_id, numbered.custom_field_id, numbered.author_id,
    numbered.changed_at, numbered.before, numbered.after, numbered.enums_before, numbered.is_last
from numbered
inner join bursts
    on bursts.project_id = numbered.project_id
    and bursts.author_id is not distinct from numbered.author_id
    and bursts.kind = numbered.kind
    and bursts.entity_type = numbered.entity_type
    and bursts.custom_field_id is not distinct from numbered.custom_field_id
    and bursts.nth = numbered.nth
