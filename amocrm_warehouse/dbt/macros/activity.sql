{# Rows that count for a person on a day: project_id, user_id, day, and each of `counts`, 0 unless `values` has it. #}
{% macro activity(counts, relation, person, moment, condition, values) %}
    select
        project_id,
        {{ person }} as user_id,
        cast({{ moment }} as date) as day
        {%- for count in counts %},
        {{ values.get(count, "0") }} as {{ count }}
        {%- endfor %}
    from {{ relation }}
    where {{ person }} is not null and {{ person }} <> 0 and {{ moment }} is not null and {{ condition }}
{% endmacro %}
