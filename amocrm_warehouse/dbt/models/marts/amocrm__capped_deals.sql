-- The deals whose budgets are above the forecast's budget_cap: open deals now, and deals that were won in the months from which the
-- present forecast takes its chances.
with capped as (
    select project_id, deal_id, months_back
    from {{ ref("int_amocrm__forecast_open") }}
    where capped < budget and months_back = 0
    union all
    select project_id, deal_id, months_back
    from {{ ref("int_amocrm__forecast_sales") }}
    where capped < amount and months_back > 0 and months_back <= {{ chance_months() }} + 2
)

select
    deals.project_id,
    deals.deal_id,
    deals.name,
    deals.pipeline_id,
    deals.pipeline_name,
    deals.status_id,
    deals.status_name,
    deals.stage_kind,
    deals.responsible_user_id,
    deals.responsible_name,
    deals.budget,
    moments.budget_cap,
    deals.currency
from {{ ref("amocrm__deals") }} as deals
inner join (select project_id, deal_id, min(months_back) as months_back from capped group by project_id, deal_id) as first_capped
    on first_capped.project_id = deals.project_id and first_capped.deal_id = deals.deal_id
inner join {{ ref("int_amocrm__forecast_moments") }} as moments
    on moments.project_id = first_capped.project_id and moments.months_back = first_capped.months_back
