{#
    The columns are the key: no two rows have the same, and none is null but those that `nullable` names. With `by`, what the
    var `by` adds to the rows is part of it.
#}
{% test amocrm_key(model, columns, nullable=[], by=false) %}
    select {{ columns | join(", ") }}
    from {{ model }}
    group by {{ columns | join(", ") }}{% if by %}{{ by_value() }}{% endif %}

    having count(*) > 1{% for column in columns if column not in nullable %} or {{ column }} is null{% endfor %}
{% endtest %}

{# Every row's entity is in another model. #}
{% test amocrm_refers(model, column_name, to) %}
    select child.{{ column_name }}
    from {{ model }} as child
    left join {{ to }} as parent
        on parent.project_id = child.project_id and parent.{{ column_name }} = child.{{ column_name }}
    where child.{{ column_name }} is not null and parent.{{ column_name }} is null
{% endtest %}
