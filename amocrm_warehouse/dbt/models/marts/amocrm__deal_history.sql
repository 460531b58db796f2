-- One row per moment at which a deal's stage, responsible user or budget changed, with the values of all three since then. They
-- are joined by their positions in the deal's history, because a database joins fast by equal values, not by a moment between two.
{% set facts = {"stages": "int_amocrm__deal_stages", "owners": "int_amocrm__deal_owners", "budgets": "int_amocrm__deal_budgets"} %}
with begun as (
    {% for fact, model in facts.items() %}
    {% if not loop.first %}union all{% endif %}
    select
        project_id, deal_id, from_at, from_at_local
        {%- for other in facts %},
        {{ "position" if other == fact else "cast(null as bigint)" }} as {{ other }}
        {%- endfor %}
    from {{ ref(model) }}
    where from_at is not null
    {% endfor %}
),

moments as (
    select
        project_id, deal_id, from_at, from_at_local
        {%- for fact in facts %},
        max({{ fact }}) as {{ fact }}
        {%- endfor %}
    from begun
    group by project_id, deal_id, from_at, from_at_local
),

spans as (
    select
        project_id, deal_id, from_at, from_at_local,
        lead(from_at) over of_deal as to_at,
        lead(from_at_local) over of_deal as to_at_local
        {%- for fact in facts %},
        max({{ fact }}) over of_deal as {{ fact }}
        {%- endfor %}
    from moments
    window of_deal as (partition by project_id, deal_id order by from_at)
)

select
    spans.project_id,
    spans.deal_id,
    spans.from_at,
    spans.from_at_local,
    coalesce(spans.to_at, deals.deleted_at) as to_at,
    coalesce(spans.to_at_local, deals.deleted_at_local) as to_at_local,
    stages.pipeline_id,
    stages.status_id,
    statuses.pipeline_name,
    statuses.status_name,
    {{ stage_kind("stages.status_id", "statuses") }} as stage_kind,
    owners.responsible_user_id,
    {{ user_name("users", "owners.responsible_user_id") }} as responsible_name,
    budgets.budget,
    accounts.currency
from spans
inner join {{ ref("int_amocrm__deals") }} as deals on deals.project_id = spans.project_id and deals.deal_id = spans.deal_id
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = spans.project_id
{% for fact, model in facts.items() %}
left join {{ ref(model) }} as {{ fact }}
    on {{ fact }}.project_id = spans.project_id
    and {{ fact }}.deal_id = spans.deal_id
    and {{ fact }}.position = spans.{{ fact }}
{% endfor %}
left join {{ ref("int_amocrm__stages") }} as statuses
    on statuses.project_id = spans.project_id
    and statuses.pipeline_id = stages.pipeline_id
    and statuses.status_id = stages.status_id
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = spans.project_id and users.user_id = owners.responsible_user_id
