{#
    One row per time span in which a deal had one `value`, from the events in `changes`. The first value is the old value of the
    first change, or the present value if there is no change; the last value is the one that the deal shows now. If the changes
    of the account were not read (its column `known` is false), the first from_at is null.
#}
{% macro deal_spans(changes, value, known) %}
with changes as (
    select
        changes.*,
        row_number() over (partition by project_id, deal_id order by created_at, event_id) as nth,
        row_number() over (partition by project_id, deal_id order by created_at desc, event_id desc) as nth_last
    from {{ changes }} as changes
),

spans as (
    select
        deals.project_id,
        deals.deal_id,
        0 as position,
        case when accounts.{{ known }} then deals.known_from end as from_at,
        case when accounts.{{ known }} then deals.known_from_local end as from_at_local,
        case when changes.event_id is null then deals.{{ value }} else changes.{{ value }}_old end as {{ value }}
    from {{ ref("int_amocrm__deals") }} as deals
    inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = deals.project_id
    left join changes on changes.project_id = deals.project_id and changes.deal_id = deals.deal_id and changes.nth = 1

    union all

    select
        changes.project_id,
        changes.deal_id,
        changes.nth as position,
        changes.created_at as from_at,
        changes.created_at_local as from_at_local,
        case when changes.nth_last = 1 then coalesce(deals.{{ value }}, changes.{{ value }}_new) else changes.{{ value }}_new end
    from changes
    inner join {{ ref("int_amocrm__deals") }} as deals
        on deals.project_id = changes.project_id and deals.deal_id = changes.deal_id
)

select
    project_id,
    deal_id,
    position,
    from_at,
    from_at_local,
    lead(from_at) over (partition by project_id, deal_id order by position) as to_at,
    {{ value }}
from spans
{% endmacro %}
