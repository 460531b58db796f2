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
)

select
    coalesce(facts.project_id, plans.project_id) as project_id,
    coalesce(facts.month, plans.month) as month,
    coalesce(facts.responsible_user_id, plans.responsible_user_id) as responsible_user_id,
    {{ user_name("users", "coalesce(facts.responsible_user_id, plans.responsible_user_id)") }} as responsible_name,
    plans.plan,
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
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = coalesce(facts.project_id, plans.project_id)
    and users.user_id = coalesce(facts.responsible_user_id, plans.responsible_user_id)
