with filled as (
    {% for entity, owner in field_owners().items() %}
    {% if not loop.first %}union all{% endif %}
    select project_id, '{{ entity }}' as entity_type, {{ owner.key }} as entity_id, custom_field_id, value_index, enum, value
    from {{ ref(owner["values"]) }}
    {% endfor %}
),

labelled as (
    select
        filled.project_id,
        filled.entity_type,
        filled.entity_id,
        filled.custom_field_id,
        fields.name,
        fields.field_code,
        fields.field_type,
        fields.value_kind,
        filled.value_index,
        filled.enum,
        coalesce(options.name, filled.value) as value
    from filled
    inner join {{ ref("int_amocrm__own_fields") }} as fields
        on fields.project_id = filled.project_id
        and fields.entity_type = filled.entity_type
        and fields.custom_field_id = filled.custom_field_id
    left join {{ ref("int_amocrm__own_field_options") }} as options
        on options.project_id = filled.project_id
        and options.entity_type = filled.entity_type
        and options.custom_field_id = filled.custom_field_id
        -- the condition stands within the equality: beside it, every value would be compared with every option
        and options.enum = case when {{ has_options("fields.field_type") }} then filled.enum end
),

typed as (
    select
        *,
        cast(case when value_kind = 'number' then {{ number_in("value") }} end as numeric(38, 9)) as value_number,
        case when value_kind = 'date' then {{ date_in("value") }} end as value_date,
        case when value_kind = 'time' then {{ moment_in("value") }} end as value_at,
        case when value_kind = 'boolean' then {{ flag_in("value") }} end as value_boolean
    from labelled
)

select
    typed.project_id,
    typed.entity_type,
    typed.entity_id,
    typed.custom_field_id,
    typed.name,
    typed.field_code,
    typed.field_type,
    typed.value_index,
    typed.enum,
    typed.value,
    typed.value_number,
    typed.value_date,
    typed.value_at,
    typed.value_at at time zone 'UTC' at time zone accounts.time_zone as value_at_local,
    typed.value_boolean
from typed
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = typed.project_id
