-- The moments at which a forecast is made: now (0 months back), and the same day and hour of each month before, by the clock
-- of the account, as far back as the account's history of stages was at least a month long.
with firsts as (
    select project_id, min(from_at_local) as first_local
    from {{ ref("amocrm__deal_history") }}
    group by project_id
)

select
    accounts.project_id,
    steps.months_back,
    accounts.now_local - steps.months_back * interval '1 month' as made_at_local
from {{ ref("int_amocrm__accounts") }} as accounts
inner join firsts on firsts.project_id = accounts.project_id
cross join (values {% for back in range(recorded_months() + 2 * chance_months() + 5) %}({{ back }}){% if not loop.last %}, {% endif %}{% endfor %}) as steps(months_back)
where accounts.stages_known
    and accounts.now_local - steps.months_back * interval '1 month'
        >= firsts.first_local + interval '1 month'
