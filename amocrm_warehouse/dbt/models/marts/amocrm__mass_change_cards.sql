{{ config(enabled=var("histories", true)) }}
-- A card that a mass change touched several times had the value before the first of these, and the value after the last.
with ordered as (
    select *,
        row_number() over (partition by project_id, change_id, entity_id order by changed_at, event_id) as nth,
        row_number() over (partition by project_id, change_id, entity_id order by changed_at desc, event_id desc) as nth_last
    from {{ ref("int_amocrm__mass_change_events") }}
),

cards as (
    select
        project_id, change_id, kind, entity_type, entity_id, custom_field_id,
        min(changed_at) as changed_at,
        max(case when nth = 1 then before end) as key_before,
        max(case when nth = 1 then enums_before end) as enums_before,
        max(case when nth_last = 1 then after end) as key_after,
        bool_or(nth_last = 1 and is_last) as is_last
    from ordered
    group by project_id, change_id, kind, entity_type, entity_id, custom_field_id
),

-- DuckDB compares each row with each other one in an outer join with another condition than that columns of both sides are equal
moneys as (
    select cards.project_id, cards.change_id, cards.entity_id, budgets.budget
    from cards
    inner join {{ ref("int_amocrm__deal_budgets") }} as budgets on budgets.project_id = cards.project_id and budgets.deal_id = cards.entity_id
    where cards.entity_type = 'deal'
        and (budgets.from_at < cards.changed_at or budgets.position = 0)
        and (budgets.to_at >= cards.changed_at or budgets.to_at is null)
),

stages as (
    select project_id, cast(pipeline_id as varchar) || ':' || cast(status_id as varchar) as stage, pipeline_name || ' / ' || status_name as name
    from {{ ref("int_amocrm__stages") }}

    union all

    select project_id, cast(name_id as varchar), name
    from {{ ref("stg_amocrm__names") }}
    where source_table = 'customer_statuses'
)

select
    cards.project_id,
    cards.change_id,
    cards.kind,
    cards.entity_type,
    cards.entity_id,
    cards.custom_field_id,
    entities.name,
    cards.changed_at
    {%- for side in ["before", "after"] %},
    case cards.kind
        when 'stage' then coalesce(stage_{{ side }}.name, cards.key_{{ side }})
        when 'responsible' then {{ user_name("user_" ~ side, "cast(case when cards.kind = 'responsible' then cards.key_" ~ side ~ " end as bigint)") }}
        when 'field' then {{ text_of_event("cards.key_" ~ side, "fields.value_kind", "accounts.time_zone") }}
        when 'budget' then case
            when cards.key_{{ side }} like '%.%' then rtrim(rtrim(cards.key_{{ side }}, '0'), '.') else cards.key_{{ side }} end
        else cards.key_{{ side }}
    end as {{ side }}
    {%- endfor %},
    cards.key_before,
    cards.enums_before,
    cards.key_after,
    moneys.budget as money,
    accounts.currency,
    not cards.is_last
        or case
            when cards.entity_type <> 'deal' or cards.kind not in ('stage', 'responsible', 'budget') then false
            when cards.kind = 'stage'
                then cards.key_after <> cast(deals.pipeline_id as varchar) || ':' || cast(deals.status_id as varchar)
            when cards.kind = 'responsible' then cards.key_after <> cast(deals.responsible_user_id as varchar)
            else cast(cards.key_after as numeric(38, 9)) <> deals.budget
        end is true as is_changed_since
from cards
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = cards.project_id
left join {{ ref("int_amocrm__entities") }} as entities
    on entities.project_id = cards.project_id and entities.entity_type = cards.entity_type and entities.entity_id = cards.entity_id
left join {{ ref("int_amocrm__deals") }} as deals
    on deals.project_id = cards.project_id and deals.deal_id = case when cards.entity_type = 'deal' then cards.entity_id end
left join {{ ref("int_amocrm__own_fields") }} as fields
    on fields.project_id = cards.project_id
    and fields.entity_type = cards.entity_type
    and fields.custom_field_id = cards.custom_field_id
left join moneys
    on moneys.project_id = cards.project_id and moneys.change_id = cards.change_id and moneys.entity_id = cards.entity_id
{%- for side in ["before", "after"] %}
left join stages as stage_{{ side }}
    on stage_{{ side }}.project_id = cards.project_id and stage_{{ side }}.stage = case when cards.kind = 'stage' then cards.key_{{ side }} end
left join {{ ref("stg_amocrm__users") }} as user_{{ side }}
    on user_{{ side }}.project_id = cards.project_id
    and cast(user_{{ side }}.user_id as varchar) = case when cards.kind = 'responsible' then cards.key_{{ side }} end
{%- endfor %}
