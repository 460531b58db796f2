{% set columns = [] %}
{% for entity in field_owners() %}
    {% for field in columns_of_fields(entity) %}{% do columns.append((field.project_id, entity, field.id)) %}{% endfor %}
{% endfor %}
with filled as (
    select project_id, entity_type, custom_field_id, count(*) as filled
    from {{ ref("amocrm__entity_fields") }}
    where value_index = 0
    group by project_id, entity_type, custom_field_id
)

select
    fields.project_id,
    fields.entity_type,
    fields.custom_field_id,
    fields.name,
    fields.name_at_first,
    fields.field_code,
    fields.field_type,
    fields.field_sort,
    fields.value_kind,
    case when {% if columns %}(fields.project_id, fields.entity_type, fields.custom_field_id) in (
        {%- for project, entity, id in columns %}('{{ project }}', '{{ entity }}', {{ id }}){{ ", " if not loop.last }}{% endfor %}
    ){% else %}false{% endif %} then fields.column_name end as column_name,
    fields.is_deleted_field,
    {% set chosen = fields_of_by() %}
    fields.entity_type = 'deal' and {% if chosen %}(fields.project_id, fields.custom_field_id) in (
        {%- for project, id in chosen.items() %}('{{ project }}', {{ id }}){{ ", " if not loop.last }}{% endfor -%}
    ){% else %}false{% endif %} as is_by,
    coalesce(filled.filled, 0) as filled
from {{ ref("int_amocrm__own_fields") }} as fields
left join filled
    on filled.project_id = fields.project_id
    and filled.entity_type = fields.entity_type
    and filled.custom_field_id = fields.custom_field_id
where fields.project_id in ('{{ var("projects") | join("', '") }}')
