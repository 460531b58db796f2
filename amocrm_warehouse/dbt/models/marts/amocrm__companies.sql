{{ config(post_hook="{{ amocrm.describe_cells('company') }}") }}
with own as (
    {{ cells("company") }}
),

reachable as (
    {{ reachable_cards("company") }}
),

sold as (
    {{ deals_of_cards("company", ref("stg_amocrm__deal_companies")) }}
)

select
    cards.project_id,
    cards.company_id,
    cards.name,
    cards.responsible_user_id,
    {{ user_name("users", "cards.responsible_user_id") }} as responsible_name,
    reachable.phones,
    reachable.emails,
    {%- set are_known = were_read("cards.project_id", ["deals", "deal_companies"]) %}
    {%- for total in ["deals", "open_deals", "won_deals", "won_budget"] %}
    case when {{ are_known }} then coalesce(sold.{{ total }}, 0) end as {{ total }},
    {%- endfor %}
    accounts.currency,
    sold.last_deal_at,
    cards.created_at,
    cards.created_at_local,
    cards.updated_at,
    cards.is_deleted,
    cards.deleted_at
    {{- cells_of("company", "own") }}
from {{ ref("stg_amocrm__companies") }} as cards
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = cards.project_id
left join reachable on reachable.project_id = cards.project_id and reachable.company_id = cards.company_id
left join sold on sold.project_id = cards.project_id and sold.company_id = cards.company_id
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = cards.project_id and users.user_id = cards.responsible_user_id
left join own on own.project_id = cards.project_id and own.entity_id = cards.company_id
