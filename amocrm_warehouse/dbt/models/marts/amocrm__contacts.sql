{{ config(post_hook="{{ amocrm.describe_cells('contact') }}") }}
with own as (
    {{ cells("contact") }}
),

reachable as (
    {{ reachable_cards("contact") }}
),

sold as (
    {{ deals_of_cards("contact", ref("stg_amocrm__deal_contacts")) }}
)

select
    cards.project_id,
    cards.contact_id,
    cards.name,
    cards.company_id,
    -- the name that the contact carries may be old: it is used only if the company was not read
    case when companies.company_id is null then cards.company_name else companies.name end as company_name,
    cards.responsible_user_id,
    {{ user_name("users", "cards.responsible_user_id") }} as responsible_name,
    reachable.phones,
    reachable.emails,
    {%- set are_known = were_read("cards.project_id", ["deals", "deal_contacts"]) %}
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
    {{- cells_of("contact", "own") }}
from {{ ref("stg_amocrm__contacts") }} as cards
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = cards.project_id
left join {{ ref("stg_amocrm__companies") }} as companies
    on companies.project_id = cards.project_id and companies.company_id = cards.company_id
left join reachable on reachable.project_id = cards.project_id and reachable.contact_id = cards.contact_id
left join sold on sold.project_id = cards.project_id and sold.contact_id = cards.contact_id
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = cards.project_id and users.user_id = cards.responsible_user_id
left join own on own.project_id = cards.project_id and own.entity_id = cards.contact_id
