{{ config(enabled=var("histories", true)) }}
{#
    What a card had and when. The present value is the card's own, and began with the field's last change; earlier values are
    those of the changes. If the changes were not read, valid_from is null. A value that no event tells, as the one before a change
    that lacks it, has no row; nor has an empty text, or a value that lasted less than a second.
#}
with filled as (
    select project_id, entity_type, entity_id, custom_field_id, count(*) as times, max(value) as value
    from {{ ref("amocrm__entity_fields") }}
    where value <> ''
    group by project_id, entity_type, entity_id, custom_field_id
),

-- in a step of their own: the few fields with several values take longer than all others
joined as (
    select every.project_id, every.entity_type, every.entity_id, every.custom_field_id,
        {{ joined_in_order("every.value", "every.value_index") }} as value
    from {{ ref("amocrm__entity_fields") }} as every
    inner join filled
        on filled.project_id = every.project_id
        and filled.entity_type = every.entity_type
        and filled.entity_id = every.entity_id
        and filled.custom_field_id = every.custom_field_id
        and filled.times > 1
    group by 1, 2, 3, 4
),

own_values as (
    select project_id, entity_type, entity_id, custom_field_id, value from filled where times = 1
    union all
    select project_id, entity_type, entity_id, custom_field_id, value from joined
),

present as (
    select
        project_id, entity_type, entity_id, 'name' as field, cast(null as bigint) as custom_field_id,
        cast(null as bigint) as value_id, name as value
    from {{ ref("int_amocrm__entities") }}
    where name <> ''

    union all

    select project_id, entity_type, entity_id, 'responsible', null, responsible_user_id, null
    from {{ ref("int_amocrm__entities") }}
    where responsible_user_id is not null and entity_type <> 'deal'

    union all

    select project_id, entity_type, entity_id, 'custom_field', custom_field_id, null, value from own_values
),

spans as (
    select
        present.project_id, present.entity_type, present.entity_id, present.field, present.custom_field_id,
        cast(null as bigint) as pipeline_id, present.value_id, present.value,
        coalesce(
            changes.created_at,
            case when accounts.events_known and {{ changes_were_read("present.project_id", "present.entity_type", "present.field") }}
                then cards.created_at end
        ) as valid_from,
        cast(null as timestamp) as valid_to
    from present
    inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = present.project_id
    inner join {{ ref("int_amocrm__entities") }} as cards
        on cards.project_id = present.project_id
        and cards.entity_type = present.entity_type
        and cards.entity_id = present.entity_id
    left join {{ ref("int_amocrm__entity_changes") }} as changes
        on changes.project_id = present.project_id
        and changes.entity_type = present.entity_type
        and changes.entity_id = present.entity_id
        and changes.field = present.field
        and coalesce(changes.custom_field_id, 0) = coalesce(present.custom_field_id, 0)
        and changes.is_last

    union all

    select
        changes.project_id, changes.entity_type, changes.entity_id, changes.field, changes.custom_field_id, null,
        case when changes.nth = 1 then changes.id_old else changes.previous_id end,
        case when changes.nth = 1 then changes.value_old else changes.previous_value end,
        coalesce(changes.previous_at, case when cards.created_at is not null then least(cards.created_at, changes.created_at) end),
        changes.created_at
    from {{ ref("int_amocrm__entity_changes") }} as changes
    inner join {{ ref("int_amocrm__entities") }} as cards
        on cards.project_id = changes.project_id
        and cards.entity_type = changes.entity_type
        and cards.entity_id = changes.entity_id

    union all

    -- Values whose end no event tells: the card lost its values, or the account the field. If the card was last changed before the
    -- event, the event is the newer news, and its value goes on.
    select
        changes.project_id, changes.entity_type, changes.entity_id, changes.field, changes.custom_field_id, null,
        changes.id_new, changes.value_new, changes.created_at,
        case when cards.updated_at >= changes.created_at then cards.updated_at end
    from {{ ref("int_amocrm__entity_changes") }} as changes
    inner join {{ ref("int_amocrm__entities") }} as cards
        on cards.project_id = changes.project_id
        and cards.entity_type = changes.entity_type
        and cards.entity_id = changes.entity_id
    where changes.is_last and not exists (
        select 1 from present
        where present.project_id = changes.project_id
            and present.entity_type = changes.entity_type
            and present.entity_id = changes.entity_id
            and present.field = changes.field
            and coalesce(present.custom_field_id, 0) = coalesce(changes.custom_field_id, 0)
    )

    union all

    select
        stages.project_id, 'deal', stages.deal_id, 'stage', null, stages.pipeline_id, stages.status_id, statuses.status_name,
        stages.from_at, stages.to_at
    from {{ ref("int_amocrm__deal_stages") }} as stages
    left join {{ ref("int_amocrm__stages") }} as statuses
        on statuses.project_id = stages.project_id
        and statuses.pipeline_id = stages.pipeline_id
        and statuses.status_id = stages.status_id

    {% for field, model, id, value in [
        ("responsible", "int_amocrm__deal_owners", "responsible_user_id", "null"), ("budget", "int_amocrm__deal_budgets", "null", "cast(spans.budget as varchar)")
    ] %}
    union all

    select
        spans.project_id, 'deal', spans.deal_id, '{{ field }}', null, null, {{ "spans." if id != "null" }}{{ id }}, {{ value }},
        spans.from_at, spans.to_at
    from {{ ref(model) }} as spans
    {% endfor %}
),

-- nothing lasts longer than its card
ended as (
    select spans.*, least(spans.valid_to, cards.deleted_at) as ended_at
    from spans
    inner join {{ ref("int_amocrm__entities") }} as cards
        on cards.project_id = spans.project_id
        and cards.entity_type = spans.entity_type
        and cards.entity_id = spans.entity_id
    where spans.value_id is not null or spans.value <> ''
)

select
    spans.project_id,
    spans.entity_type,
    spans.entity_id,
    spans.field,
    spans.custom_field_id,
    fields.name as field_name,
    spans.pipeline_id,
    spans.value_id,
    case
        when spans.field = 'responsible' then {{ user_name("users", "spans.value_id") }}
        when spans.field = 'stage' then coalesce(spans.value, '#' || cast(spans.value_id as varchar))
        else spans.value
    end as value,
    spans.valid_from,
    spans.ended_at as valid_to,
    spans.ended_at is null as is_current
from ended as spans
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = spans.project_id and users.user_id = spans.value_id and spans.field = 'responsible'
left join {{ ref("int_amocrm__own_fields") }} as fields
    on fields.project_id = spans.project_id
    and fields.entity_type = spans.entity_type
    and fields.custom_field_id = spans.custom_field_id
where (spans.valid_from >= spans.ended_at) is not true
