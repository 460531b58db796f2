{#
    Selects what each row of `relation` adds to a person's day: project_id, user_id, name_alone, day, and the columns `counts`,
    each by its SQL in `values`, else 0. `name_alone`: SQL of the name of a person without an id. Robots and persons without
    an id are left out unless `everybody` is true.
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

{# The note of a call or an SMS, which the tables of calls and messages have as well. #}
{% macro is_call_or_sms(note_type) %}{{ note_type }} in ('call_in', 'call_out', 'sms_in', 'sms_out'){% endmacro %}
