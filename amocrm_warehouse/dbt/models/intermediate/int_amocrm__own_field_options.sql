-- One label per option, the same for all cards: the present label if the account lists the option, else the label in the card
-- that was changed last.
with listed as (
    select fields.project_id, fields.entity_type, fields.custom_field_id,
        cast(option.element ->> 'id' as bigint) as enum, option.element ->> 'value' as name
    from {{ ref("stg_amocrm__custom_fields") }} as fields
    cross join lateral {{ elements_of("fields.options") }} as option (element)
    where {{ has_options("fields.field_type") }}
),

met as (
    {% for entity, owner in field_owners().items() %}
    {% if not loop.first %}union all{% endif %}
    select project_id, '{{ entity }}' as entity_type, custom_field_id, enum, value as name, max(updated_at) as updated_at
    from {{ ref(owner["values"]) }}
    where enum is not null and value is not null and {{ has_options("field_type") }}
    group by 1, 2, 3, 4, 5
    {% endfor %}
),

every_label as (
    select project_id, entity_type, custom_field_id, enum, name, true as is_listed, cast(null as timestamp) as updated_at
    from listed
    where enum is not null and nullif(name, '') is not null
    union all
    select project_id, entity_type, custom_field_id, enum, name, false, updated_at from met
),

ordered as (
    select *, row_number() over (
        partition by project_id, entity_type, custom_field_id, enum order by is_listed desc, updated_at desc nulls last, name
    ) as nth
    from every_label
)

select project_id, entity_type, custom_field_id, enum, name, is_listed from ordered where nth = 1
