-- The moments at which a forecast is made: now (0 months back), and the same day and hour of each month before, by the clock
-- of the account, as far back as the account's history of stages was at least a month long. `budget_cap` is taken from the budgets of
-- the deals that were won in the twelve months before; null if none of them had a budget.
with firsts as (
    select project_id, min(from_at_local) as first_local
    from {{ ref("amocrm__deal_history") }}
    group by project_id
),

moments as (
    select
        accounts.project_id,
        accounts.currency,
        steps.months_back,
        accounts.now_local - steps.months_back * interval '1 month' as made_at_local
    from {{ ref("int_amocrm__accounts") }} as accounts
    inner join firsts on firsts.project_id = accounts.project_id
    cross join (values {% for back in range(recorded_months() + 2 * chance_months() + 5) %}({{ back }}){% if not loop.last %}, {% endif %}{% endfor %}) as steps(months_back)
    where accounts.stages_known
        and accounts.now_local - steps.months_back * interval '1 month'
            >= firsts.first_local + interval '1 month'
),

caps as (
    select moments.project_id, moments.months_back, {{ budget_cap("won.budget") }} as budget_cap
    from moments
    inner join (
        select project_id, budget, coalesce(closed_at_local, in_stage_since) as sold_at_local
        from {{ ref("amocrm__deals") }}
        where stage_kind = 'won' and not is_deleted and budget > 0
    ) as won
        on won.project_id = moments.project_id
        and won.sold_at_local < moments.made_at_local
        and won.sold_at_local >= moments.made_at_local - {{ chance_months() }} * interval '1 month'
    group by moments.project_id, moments.months_back
)

select moments.*, caps.budget_cap
from moments
left join caps on caps.project_id = moments.project_id and caps.months_back = moments.months_back
