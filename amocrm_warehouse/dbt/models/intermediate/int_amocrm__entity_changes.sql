{{ config(enabled=var("histories", true)) }}
-- One row per change of a name, a custom field, or the responsible user of a contact, company or customer, with the previous
-- change of the same field. The responsible users of deals are in int_deal_owners.
with changes as (
    select
        project_id, event_id, entity_type, entity_id, 'name' as field, cast(null as bigint) as custom_field_id, created_at,
        cast(null as bigint) as id_old, cast(null as bigint) as id_new, name_old as value_old, name_new as value_new
    from {{ ref("stg_amocrm__events") }}
    where type = 'name_field_changed'

    union all

    select
        project_id, event_id, entity_type, entity_id, 'responsible', null, created_at,
        responsible_user_id_old, responsible_user_id_new, null, null
    from {{ ref("stg_amocrm__responsible_changes") }}

    union all

    select
        changes.project_id, changes.event_id, changes.entity_type, changes.entity_id, 'custom_field', changes.custom_field_id,
        changes.created_at, null, null
        {%- for value in ["value_old", "value_new"] %},
        {{ text_of_event("changes." ~ value, "fields.value_kind", "accounts.time_zone") }}
        {%- endfor %}
    from {{ ref("stg_amocrm__field_changes") }} as changes
    inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = changes.project_id
    left join {{ ref("int_amocrm__own_fields") }} as fields
        on fields.project_id = changes.project_id
        and fields.entity_type = changes.entity_type
        and fields.custom_field_id = changes.custom_field_id
)

select
    *,
    row_number() over one_field as nth,
    lead(event_id) over one_field is null as is_last,
    lag(created_at) over one_field as previous_at,
    lag(id_new) over one_field as previous_id,
    lag(value_new) over one_field as previous_value
from changes
where entity_type is not null and entity_id is not null
window one_field as (
    partition by project_id, entity_type, entity_id, field, custom_field_id order by created_at, event_id
)
