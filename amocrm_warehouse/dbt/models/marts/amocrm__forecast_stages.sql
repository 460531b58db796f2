-- The present forecast of the open deals, by stage and age. In what is expected, a budget above the
-- forecast's budget_cap counts as budget_cap.
select
    chances.project_id,
    chances.pipeline_id,
    statuses.pipeline_name,
    chances.status_id,
    statuses.status_name,
    chances.age,
    cast(sum(case when months_ahead = 0 then chances.deals end) as bigint) as deals,
    cast(case when accounts.budgets_known then sum(case when months_ahead = 0 then chances.budget end) end as numeric(38, 2)) as budget
    {%- for ahead in range(3) %},
    {{ thousandths("sum(case when months_ahead = " ~ ahead ~ " then chances.deals * chances.chance end) / sum(case when months_ahead = " ~ ahead ~ " then chances.deals end)") }}
        as chance_{{ ahead }},
    {{ significant("sum(case when months_ahead = " ~ ahead ~ " then chances.expected end)") }} as expected_{{ ahead }}
    {%- endfor %},
    accounts.currency
from {{ ref("int_amocrm__forecast_chances") }} as chances
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = chances.project_id
left join {{ ref("int_amocrm__stages") }} as statuses
    on statuses.project_id = chances.project_id
    and statuses.pipeline_id = chances.pipeline_id
    and statuses.status_id = chances.status_id
where chances.months_back = 0
group by 1, 2, 3, 4, 5, 6, accounts.currency, accounts.budgets_known
