with facts as (
    select
        project_id, month, responsible_user_id,
        cast(sum(won) as bigint) as won,
        cast(sum(won_budget) as numeric(38, 2)) as won_budget
    from {{ ref("amocrm__sales") }}
    group by project_id, month, responsible_user_id
),

-- the file of plans may name accounts that this build does not unite
plans as (
    select plans.*
    from {{ ref("amocrm__plans") }} as plans
    inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = plans.project_id
),

-- which part of each month's days of work has passed in an account, today among them; the days themselves of a month without any
passed as (
    select
        accounts.project_id, cast(date_trunc('month', days.day) as date) as month,
        case
            when bool_or(days.is_working_day)
                then cast(count(*) filter (where days.is_working_day and days.day <= accounts.today) as double precision)
                    / count(*) filter (where days.is_working_day)
            else cast(count(*) filter (where days.day <= accounts.today) as double precision) / count(*)
        end as part
    from {{ ref("int_amocrm__accounts") }} as accounts
    cross join {{ ref("int_amocrm__working_days") }} as days
    group by 1, 2
)

select
    coalesce(facts.project_id, plans.project_id) as project_id,
    coalesce(facts.month, plans.month) as month,
    coalesce(facts.responsible_user_id, plans.responsible_user_id) as responsible_user_id,
    {{ user_name("users", "coalesce(facts.responsible_user_id, plans.responsible_user_id)") }} as responsible_name,
    plans.plan,
    -- a cent is rounded up from its half, as both databases round a double alike then
    case
        when passed.part = 1 then plans.plan
        else cast(floor(cast(plans.plan as double precision) * passed.part * 100 + 0.500001) / 100 as numeric(38, 2))
    end as plan_so_far,
    coalesce(facts.won, 0) as won,
    coalesce(facts.won_budget, 0) as won_budget,
    -- PostgreSQL rounds a half of a double to the even number, and DuckDB up; a plan that was missed is never rounded to 100
    least(
        floor(1000 * (cast(coalesce(facts.won_budget, 0) as double precision) / cast(nullif(plans.plan, 0) as double precision)) + 0.5) / 10,
        case when facts.won_budget < plans.plan then 99.9 end
    ) as percent_of_plan,
    accounts.currency
from facts
full join plans
    on plans.project_id = facts.project_id
    and plans.month = facts.month
    and plans.responsible_user_id = facts.responsible_user_id
inner join {{ ref("int_amocrm__accounts") }} as accounts
    on accounts.project_id = coalesce(facts.project_id, plans.project_id)
left join passed
    on passed.project_id = coalesce(facts.project_id, plans.project_id) and passed.month = coalesce(facts.month, plans.month)
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = coalesce(facts.project_id, plans.project_id)
    and users.user_id = coalesce(facts.responsible_user_id, plans.responsible_user_id)
