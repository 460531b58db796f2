-- The moments at which a forecast is made: the end of the last sync (0 months back), and the same day and hour of each month before,
-- by the clock of the account, as far back as the account's history of stages was at least a month long. The present month is that of
-- the build: if the last sync was in an earlier one, the forecast is made at the month's beginning. So the minute of the build changes
-- no forecast. `budget_cap` is taken from the budgets of
-- the deals that were won in the twelve months before; null if none of them had a budget.
with firsts as (
    select project_id, min(from_at_local) as first_local
    from {{ ref("amocrm__deal_history") }}
    group by project_id
),

syncs as (
    {{ raw("syncs", {"ended_at": "time"}, of_stream=false) }}
),

ends as (
    select project_id, max(ended_at_local) as ended_at_local from syncs group by project_id
),

reads as (
    select project_id, max(synced_at) as synced_at from {{ ref("amocrm__freshness") }} group by project_id
),

present as (
    select
        accounts.project_id,
        accounts.currency,
        greatest(
            date_trunc('month', accounts.now_local),
            least(
                accounts.now_local,
                coalesce(ends.ended_at_local, reads.synced_at at time zone 'UTC' at time zone accounts.time_zone)
            )
        ) as data_until_local
    from {{ ref("int_amocrm__accounts") }} as accounts
    inner join reads on reads.project_id = accounts.project_id
    left join ends on ends.project_id = accounts.project_id
    where accounts.stages_known
),

moments as (
    select
        present.project_id,
        present.currency,
        steps.months_back,
        present.data_until_local - steps.months_back * interval '1 month' as made_at_local
    from present
    inner join firsts on firsts.project_id = present.project_id
    cross join (values {% for back in range(recorded_months() + 2 * chance_months() + 5) %}({{ back }}){% if not loop.last %}, {% endif %}{% endfor %}) as steps(months_back)
    where present.data_until_local - steps.months_back * interval '1 month' >= firsts.first_local + interval '1 month'
),

caps as (
    select moments.project_id, moments.months_back, {{ budget_cap("won.budget") }} as budget_cap
    from moments
    inner join (
        select project_id, budget, ended_at_local as sold_at_local
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
