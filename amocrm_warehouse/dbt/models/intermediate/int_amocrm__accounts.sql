-- One row per project, even if its table `account` was not read. Each account has its own `today`: the day of the build by its
-- clock. The history of stages, owners or budgets is known if the table of their changes was read and the project has any event:
-- then a deal without a change has always been as it is now.
with with_events as (
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
    zone.name as time_zone,
    {{ now() }} at time zone 'UTC' at time zone zone.name as now_local,
    cast({{ now() }} at time zone 'UTC' at time zone zone.name as date) as today
    {%- for fact, table in [("stages", "deal_statuses"), ("owners", "deal_responsible_changes"), ("budgets", "deal_sale_changes")] %},
    {% if execute and raw_relation(project, table) is not none %}with_events.project_id is not null{% else %}false{% endif %} as {{ fact }}_known
    {%- endfor %},
    with_events.project_id is not null as events_known,
    {{ execute and raw_relation(project, "messages") is not none }} as messages_known,
    {{ execute and is_unfinished(project) }} as is_unfinished,
    {% if execute and raw_relation(project, "syncs") is not none %}{{ synced_at(project) }} is null{% else %}false{% endif %} as is_never_synced,
    {{ var("stale_days", 14) }} as stale_days,
    {{ var("dead_days", 90) }} as dead_days,
    cast('{{ project_name }}' as varchar) as built_by
from (select 1 as one) as always
left join {{ ref("stg_amocrm__account") }} as account on account.project_id = '{{ project }}'
cross join lateral (
    select coalesce(account.time_zone, {% if var("time_zone", none) %}'{{ var("time_zone") }}'{% else %}'UTC'{% endif %}) as name
) as zone
left join with_events on with_events.project_id = '{{ project }}'
{% endfor %}
