{{ config(post_hook="{{ amocrm.describe_cells('company') }}") }}
with own as (
    {{ cells("company") }}
),

reachable as (
    select
        project_id, entity_id as company_id,
        string_agg(case when kind = 'phone' then value end, ', ' order by value_index) as phones,
        string_agg(case when kind = 'email' then value end, ', ' order by value_index) as emails
    from {{ ref("int_amocrm__phones_emails") }}
    where entity_type = 'company'
    group by project_id, entity_id
),

sold as (
    select
        links.project_id, links.company_id,
        count(*) as deals,
        count(*) filter (where deals.stage_kind in ('open', 'unsorted')) as open_deals,
        count(*) filter (where deals.stage_kind = 'won') as won_deals,
        coalesce(sum(deals.budget) filter (where deals.stage_kind = 'won'), 0) as won_budget,
        max(deals.created_at) as last_deal_at
    from {{ ref("stg_amocrm__deal_companies") }} as links
    inner join {{ ref("amocrm__deals") }} as deals on deals.project_id = links.project_id and deals.deal_id = links.deal_id
    where not deals.is_deleted
    group by links.project_id, links.company_id
)

select
    cards.project_id,
    cards.company_id,
    cards.name,
    cards.responsible_user_id,
    {{ user_name("users", "cards.responsible_user_id") }} as responsible_name,
    reachable.phones,
    reachable.emails,
    coalesce(sold.deals, 0) as deals,
    coalesce(sold.open_deals, 0) as open_deals,
    coalesce(sold.won_deals, 0) as won_deals,
    coalesce(sold.won_budget, 0) as won_budget,
    sold.last_deal_at,
    cards.created_at,
    cards.created_at_local,
    cards.updated_at,
    cards.is_deleted,
    cards.deleted_at
    {{- cells_of("company", "own") }}
from {{ ref("stg_amocrm__companies") }} as cards
left join reachable on reachable.project_id = cards.project_id and reachable.company_id = cards.company_id
left join sold on sold.project_id = cards.project_id and sold.company_id = cards.company_id
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = cards.project_id and users.user_id = cards.responsible_user_id
left join own on own.project_id = cards.project_id and own.entity_id = cards.company_id
