{#
    Rows that count for a person on a day: project_id, user_id, name_alone, day, and each of `counts`, 0 unless `values` has
    it. `name_alone` is of those who are known by nothing but a name. Robots are left out unless `everybody` counts.
#}
{% macro activity(counts, relation, person, moment, condition, values, everybody=false, name_alone="cast(null as varchar)") %}
    select
        project_id,
        {{ person }} as user_id,
        {{ name_alone }} as name_alone,
        cast({{ moment }} as date) as day
        {%- for count in counts %},
        {{ values.get(count, "0") }} as {{ count }}
        {%- endfor %}
    from {{ relation }}
    where {% if not everybody %}{{ person }} is not null and {{ person }} <> 0 and {% endif %}{{ moment }} is not null and {{ condition }}
{% endmacro %}
