-- the moments at which anything changed, and what was true from each of them on
with moments as (
    select project_id, deal_id, from_at from {{ ref("int_deal_stages") }}
    union
    select project_id, deal_id, from_at from {{ ref("int_deal_owners") }}
    union
    select project_id, deal_id, from_at from {{ ref("int_deal_budgets") }}
),

spans as (
    select
        moments.project_id,
        moments.deal_id,
        moments.from_at,
        coalesce(
            lead(moments.from_at) over (partition by moments.project_id, moments.deal_id order by moments.from_at),
            deals.deleted_at
        ) as to_at
    from moments
    inner join {{ ref("int_deals") }} as deals
        on deals.project_id = moments.project_id and deals.deal_id = moments.deal_id
    where moments.from_at is not null
)

select
    spans.project_id,
    spans.deal_id,
    spans.from_at,
    spans.from_at at time zone 'UTC' at time zone account.time_zone as from_at_local,
    spans.to_at,
    spans.to_at at time zone 'UTC' at time zone account.time_zone as to_at_local,
    stages.pipeline_id,
    stages.status_id,
    statuses.pipeline_name,
    statuses.status_name,
    case when stages.status_id is null then null else coalesce(statuses.stage_kind, 'open') end as stage_kind,
    owners.responsible_user_id,
    {{ user_name("users", "owners.responsible_user_id") }} as responsible_name,
    budgets.budget
from spans
inner join {{ ref("int_accounts") }} as account on account.project_id = spans.project_id
left join {{ ref("int_deal_stages") }} as stages
    on stages.project_id = spans.project_id
    and stages.deal_id = spans.deal_id
    and stages.from_at <= spans.from_at
    and (stages.is_last or stages.to_at > spans.from_at)
left join {{ ref("int_deal_owners") }} as owners
    on owners.project_id = spans.project_id
    and owners.deal_id = spans.deal_id
    and owners.from_at <= spans.from_at
    and (owners.to_at is null or owners.to_at > spans.from_at)
left join {{ ref("int_deal_budgets") }} as budgets
    on budgets.project_id = spans.project_id
    and budgets.deal_id = spans.deal_id
    and budgets.from_at <= spans.from_at
    and (budgets.to_at is null or budgets.to_at > spans.from_at)
left join {{ ref("stg_statuses") }} as statuses
    on statuses.project_id = spans.project_id
    and statuses.pipeline_id = stages.pipeline_id
    and statuses.status_id = stages.status_id
left join {{ ref("stg_users") }} as users
    on users.project_id = spans.project_id and users.user_id = owners.responsible_user_id
