-- One row per good of a won deal or of a purchase. amoCRM keeps no price of the sale, so the price is the present one of the price
-- field that the link names or, if it names none, of the only price that the good has.
with sold as (
    select
        deals.project_id, 'deal' as entity_type, deals.deal_id as entity_id, cast(null as bigint) as transaction_id,
        links.catalog_id, links.catalog_element_id, links.quantity, links.price_id, deals.pipeline_id, deals.pipeline_name,
        deals.closer_id as responsible_user_id, deals.closer_name as responsible_name,
        deals.ended_at_local as sold_at_local
    from {{ ref("stg_amocrm__deal_catalog_elements") }} as links
    inner join {{ ref("amocrm__deals") }} as deals
        on deals.project_id = links.project_id and deals.deal_id = links.deal_id
    where deals.stage_kind = 'won' and not deals.is_deleted

    {% if var("customers", true) %}
    union all

    select
        bought.project_id, 'customer', bought.customer_id, bought.transaction_id,
        {%- for name in ["catalog_id", "id", "quantity", "price_id"] %}
        {%- set kind = "numeric(38, 9)" if name == "quantity" else "bigint" %}
        cast({% if name == "id" %}link.element ->> 'id'{% else %}coalesce(link.element -> 'metadata' ->> '{{ name }}', link.element ->> '{{ name }}'){% endif %} as {{ kind }}),
        {%- endfor %}
        cast(null as bigint), cast(null as varchar), customers.responsible_user_id,
        {{ user_name("users", "customers.responsible_user_id") }}, bought.completed_at_local
    from {{ ref("stg_amocrm__customer_transactions") }} as bought
    inner join {{ ref("stg_amocrm__customers") }} as customers
        on customers.project_id = bought.project_id and customers.customer_id = bought.customer_id and not customers.is_deleted
    cross join lateral {{ elements_of("bought.catalog_elements") }} as link (element)
    left join {{ ref("stg_amocrm__users") }} as users
        on users.project_id = customers.project_id and users.user_id = customers.responsible_user_id
    {% endif %}
),

only_price as (
    select project_id, catalog_element_id, max(price_id) as price_id
    from {{ ref("stg_amocrm__element_prices") }}
    group by project_id, catalog_element_id
    having count(*) = 1
),

priced as (
    select
        sold.*, elements.name,
        -- an absurd price or quantity has no product that a database could hold
        case when abs(prices.price_now) < 1e15 then cast(prices.price_now as numeric(18, 2)) end as price_now,
        case when abs(sold.quantity) < 1e12 then cast(sold.quantity as numeric(20, 8)) end as countable
    from sold
    left join {{ ref("stg_amocrm__catalog_elements") }} as elements
        on elements.project_id = sold.project_id
        and elements.catalog_id = sold.catalog_id
        and elements.catalog_element_id = sold.catalog_element_id
    left join only_price
        on only_price.project_id = sold.project_id
        and only_price.catalog_element_id = case when sold.price_id is null then sold.catalog_element_id end
    left join {{ ref("stg_amocrm__element_prices") }} as prices
        on prices.project_id = sold.project_id
        and prices.catalog_element_id = sold.catalog_element_id
        and prices.price_id = coalesce(sold.price_id, only_price.price_id)
)

select
    priced.project_id,
    priced.entity_type,
    priced.entity_id,
    priced.transaction_id,
    priced.catalog_id,
    priced.catalog_element_id,
    priced.name,
    priced.pipeline_id,
    priced.pipeline_name,
    priced.responsible_user_id,
    priced.responsible_name,
    priced.sold_at_local,
    priced.quantity,
    cast(priced.price_now as numeric(38, 2)) as price_now,
    cast(priced.countable * priced.price_now as numeric(38, 2)) as amount_now,
    accounts.currency
from priced
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = priced.project_id
