{#
    Refuses a model whose key does not hold: two rows have the same values in the columns of `meta.key`, or a column that
    `meta.nullable` does not name is null. With `meta.by`, the column by_value is part of the key. A post_hook of every model: a
    refused model is rolled back, and the table of the previous build stays.
#}
{% macro check_key() %}
    {% set meta = model.config.meta %}
    {% if execute and meta.key %}
        {% set key = meta.key | join(", ") %}
        {% set query %}
            select {{ key }}
            from {{ this }}
            group by {{ key }}{% if meta.by %}{{ by_value() }}{% endif %}

            having count(*) > 1{% for column in meta.key if column not in (meta.nullable or []) %} or {{ column }} is null{% endfor %}

            limit 1
        {% endset %}
        {% for row in run_query(query).rows %}
            {% do exceptions.raise_compiler_error(
                "The key of " ~ this.identifier ~ " is null or not unique in rows with " ~ key ~ " = " ~ row.values() | join(", ") ~ "."
            ) %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{# Every id in a column is in the model `to`. #}
{% test amocrm_refers(model, column_name, to) %}
    select child.{{ column_name }}
    from {{ model }} as child
    left join {{ to }} as parent
        on parent.project_id = child.project_id and parent.{{ column_name }} = child.{{ column_name }}
    where child.{{ column_name }} is not null and parent.{{ column_name }} is null
{% endtest %}
