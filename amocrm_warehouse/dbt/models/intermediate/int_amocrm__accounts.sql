-- One row a project, also of one whose table `account` was not read. The history of a fact is known where the table of its
-- changes was read, and events were told at all: a deal without a change has then always been as it is.
with told as (
    {% set always = ["stg_amocrm__deal_statuses", "stg_amocrm__deal_responsible_changes", "stg_amocrm__deal_sale_changes", "stg_amocrm__events"] %}
    {% for changes in always + (["stg_amocrm__field_changes", "stg_amocrm__responsible_changes"] if var("histories", true) else []) %}
    {% if not loop.first %}union{% endif %}
    select project_id from {{ ref(changes) }}
    {% endfor %}
)

{% for project in var("projects") %}
{% if not loop.first %}union all{% endif %}
select
    cast('{{ project }}' as varchar) as project_id,
    account.account_id,
    account.name,
    account.domain,
    account.currency,
    coalesce(account.time_zone, {% if var("time_zone", none) %}'{{ var("time_zone") }}'{% else %}'UTC'{% endif %}) as time_zone
    {%- for fact, table in [("stages", "deal_statuses"), ("owners", "deal_responsible_changes"), ("budgets", "deal_sale_changes")] %},
    {% if execute and raw_relation(project, table) is not none %}told.project_id is not null{% else %}false{% endif %} as {{ fact }}_known
    {%- endfor %},
    told.project_id is not null as events_known,
    {{ execute and raw_relation(project, "messages") is not none }} as messages_known
from (select 1 as one) as always
left join {{ ref("stg_amocrm__account") }} as account on account.project_id = '{{ project }}'
left join told on told.project_id = '{{ project }}'
{% endfor %}
