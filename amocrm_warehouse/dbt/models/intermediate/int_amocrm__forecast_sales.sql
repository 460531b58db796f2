-- The sales that a forecast has to foresee: for each moment, the sales in the rest of its month and in the next two, and whether
-- the deal was open in the same pipeline at that moment. `capped` is what the amount counts for.
with sales as (
    select
        project_id, deal_id, pipeline_id, ended_at_local as sold_at_local, coalesce(budget, 0) as amount
    from {{ ref("amocrm__deals") }}
    where stage_kind = 'won' and not is_deleted and pipeline_id is not null
)

select
    moments.project_id,
    moments.months_back,
    months.months_ahead,
    sales.pipeline_id,
    sales.deal_id,
    sales.amount,
    least(sales.amount, moments.budget_cap) as capped,
    open_then.deal_id is not null as was_open
from {{ ref("int_amocrm__forecast_moments") }} as moments
cross join (values (0), (1), (2)) as months(months_ahead)
inner join sales
    on sales.project_id = moments.project_id
    and date_trunc('month', sales.sold_at_local) = date_trunc('month', moments.made_at_local) + months.months_ahead * interval '1 month'
    and sales.sold_at_local >= moments.made_at_local
left join {{ ref("int_amocrm__forecast_open") }} as open_then
    on open_then.project_id = sales.project_id
    and open_then.months_back = moments.months_back
    and open_then.deal_id = sales.deal_id
    and open_then.pipeline_id = sales.pipeline_id
