{#
    Indexes of a mart by the account and each day by which it is filtered, on PostgreSQL. A post_hook of every mart. DuckDB needs
    none: it keeps the least and the largest value of each block of rows.
#}
{% macro index_filters() %}
    {% if target.type == "postgres" %}
        {% set days = [
            "day", "month", "cohort_month", "created_at_local", "ended_at_local", "started_at_local", "lost_at_local",
            "due_at_local", "since_at_local", "from_at_local", "sold_at_local", "changed_at"
        ] | select("in", model.columns) | list %}
        {% for day in days %}create index on {{ this }} (project_id, {{ day }});{% else %}create index on {{ this }} (project_id);{% endfor %}

    {% endif %}
{% endmacro %}
