{#
    The cards of each table beside the last list of their ids, without any request. A listed card that changed before the last
    sync of its table began, less five minutes for clocks that differ, must be in the table; unless the account is read from a
    start date, which the oldest row of the table tells. A live row that was read before the list must be in the list.
#}
{% set cards = {
    "deals": ("deal", "lead_id"), "contacts": ("contact", "contact_id"), "companies": ("company", "company_id"),
    "customers": ("customer", "customer_id")
} %}
with cards as (
{% for table, (kind, id) in cards.items() %}
    {% if not loop.first %}union all{% endif %}
    select
        project_id,
        '{{ kind }}' as entity_type,
        {{ id }} as entity_id,
        not coalesce(is_deleted, false) as is_live,
        updated_at,
        read_at
    from ({{ raw(table, {id: "int", "is_deleted": "bool", "updated_at": "time", "read_at": "time"}) }}) as {{ table }}
{% endfor %}
),

lists as (
    select project_id, entity_type, max(listed_at) as listed_at, count(*) as listed
    from {{ ref("stg_amocrm__live_entities") }}
    group by 1, 2
),

of_tables as (
    select
        lists.project_id,
        lists.entity_type,
        kinds.source_table,
        lists.listed_at,
        lists.listed,
        min(cards.updated_at) as oldest,
        count(cards.read_at) = count(cards.entity_id) as is_dated
    from lists
    inner join (values {% for table, (kind, id) in cards.items() %}('{{ kind }}', '{{ table }}'){% if not loop.last %}, {% endif %}{% endfor %}) as kinds (entity_type, source_table)
        on kinds.entity_type = lists.entity_type
    left join cards on cards.project_id = lists.project_id and cards.entity_type = lists.entity_type
    group by 1, 2, 3, 4, 5
),

missing as (
    select live.project_id, live.entity_type, count(*) as listed_missing
    from {{ ref("stg_amocrm__live_entities") }} as live
    inner join of_tables on of_tables.project_id = live.project_id and of_tables.entity_type = live.entity_type
    left join {{ ref("int_amocrm__table_syncs") }} as syncs
        on syncs.project_id = live.project_id and syncs.source_table = of_tables.source_table
    left join cards
        on cards.project_id = live.project_id and cards.entity_type = live.entity_type
        and cards.entity_id = live.entity_id and cards.is_live
    where cards.entity_id is null and coalesce(live.updated_at >= of_tables.oldest, true)
        and live.updated_at < least(live.listed_at, coalesce(syncs.last_read_at, live.listed_at)) - interval '5 minutes'
    group by 1, 2
),

extra as (
    select cards.project_id, cards.entity_type, count(*) as listed_extra
    from cards
    inner join lists on lists.project_id = cards.project_id and lists.entity_type = cards.entity_type
    left join {{ ref("stg_amocrm__live_entities") }} as live
        on live.project_id = cards.project_id and live.entity_type = cards.entity_type
        and live.entity_id = cards.entity_id
    where cards.is_live and live.entity_id is null and cards.read_at < lists.listed_at
    group by 1, 2
)

select
    of_tables.project_id,
    of_tables.source_table,
    of_tables.listed_at,
    of_tables.listed,
    coalesce(missing.listed_missing, 0) as listed_missing,
    case when of_tables.is_dated then coalesce(extra.listed_extra, 0) end as listed_extra
from of_tables
left join missing on missing.project_id = of_tables.project_id and missing.entity_type = of_tables.entity_type
left join extra on extra.project_id = of_tables.project_id and extra.entity_type = of_tables.entity_type
