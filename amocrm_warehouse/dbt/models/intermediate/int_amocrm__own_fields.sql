{#
    Every custom field of the kinds of cards whose values were read: from the account's list of fields or, if the list was not read
    or does not have the field, from the newest card that has it.

    The account's list of fields names each field's column; without the list, the column is cf_ and the field's id. A field keeps the
    column name that it got first, so that a dashboard still works after the field is renamed or deleted, or an account is left out
    of a build. Therefore this table is built from its own previous rows, also in a full refresh.
#}
{% set before = load_relation(this) if execute else none %}
{% set owners = field_owners() %}
with listed as (
    select project_id, entity_type, custom_field_id, name, field_code, field_type, field_sort, column_name
    from {{ ref("stg_amocrm__custom_fields") }} as fields
    where {{ values_were_read("fields.project_id", "fields.entity_type") }}
),

met as (
    {% for entity, owner in owners.items() %}
    {% if not loop.first %}union all{% endif %}
    select
        project_id, '{{ entity }}' as entity_type, custom_field_id, name, field_code, field_type,
        max(updated_at) as updated_at
    from {{ ref(owner["values"]) }}
    group by 1, 2, 3, 4, 5, 6
    {% endfor %}
),

newest as (
    select *, row_number() over (
        partition by project_id, entity_type, custom_field_id order by updated_at desc nulls last, name, field_type
    ) as nth
    from met
),

present as (
    select
        coalesce(listed.project_id, newest.project_id) as project_id,
        coalesce(listed.entity_type, newest.entity_type) as entity_type,
        coalesce(listed.custom_field_id, newest.custom_field_id) as custom_field_id,
        coalesce(listed.name, newest.name) as name,
        coalesce(listed.field_code, newest.field_code) as field_code,
        coalesce(listed.field_type, newest.field_type) as field_type,
        listed.field_sort,
        listed.custom_field_id is null and exists (
            select 1 from listed as others
            where others.project_id = newest.project_id and others.entity_type = newest.entity_type
        ) as is_deleted_field,
        coalesce(listed.column_name, concat('cf_', coalesce(listed.custom_field_id, newest.custom_field_id))) as wanted_name
    from listed
    full join (select * from newest where nth = 1) as newest
        on newest.project_id = listed.project_id
        and newest.entity_type = listed.entity_type
        and newest.custom_field_id = listed.custom_field_id
),

kept as (
    {% if before is not none %}
    select project_id, entity_type, custom_field_id, name, name_at_first, field_code, field_type, field_sort, is_deleted_field, column_name
    from {{ before }}
    {% else %}
    select
        project_id, entity_type, custom_field_id, name, name as name_at_first, field_code, field_type, field_sort,
        is_deleted_field, name as column_name
    from present where false
    {% endif %}
),

every_field as (
    select
        present.*,
        coalesce(kept.name_at_first, present.name) as name_at_first,
        kept.column_name
    from present
    left join kept
        on kept.project_id = present.project_id
        and kept.entity_type = present.entity_type
        and kept.custom_field_id = present.custom_field_id

    union all

    select
        kept.project_id, kept.entity_type, kept.custom_field_id, kept.name, kept.field_code, kept.field_type, kept.field_sort,
        kept.is_deleted_field or exists (
            select 1 from listed where listed.project_id = kept.project_id and listed.entity_type = kept.entity_type
        ),
        kept.column_name, kept.name_at_first, kept.column_name
    from kept
    where not exists (
        select 1 from present
        where present.project_id = kept.project_id
            and present.entity_type = kept.entity_type
            and present.custom_field_id = kept.custom_field_id
    )
),

-- fields of two accounts may have the same id and name, but a column holds one field
numbered as (
    select *, row_number() over (
        partition by entity_type, coalesce(column_name, wanted_name) order by (column_name is null), project_id
    ) as nth_of_name
    from every_field
)

select
    project_id,
    entity_type,
    custom_field_id,
    name,
    name_at_first,
    field_code,
    field_type,
    field_sort,
    {{ kind_of_field("field_type") }} as value_kind,
    is_deleted_field,
    case
        when column_name is not null then column_name
        when nth_of_name = 1 then wanted_name
        else concat(left(wanted_name, 62 - length(project_id)), '_', regexp_replace(lower(project_id), '[^a-z0-9]', '_', 'g'))
    end as column_name
from numbered
