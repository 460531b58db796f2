{# What the models of deals, contacts, companies and customers share. #}

{#
    Columns that tell whether the card of `source` is deleted, when, and by whom. Needs the joins of `with_deletions`. `moments`:
    for each, a column deleted_<moment>.
#}
{% macro deletion_of_card(moments=["at"]) -%}
    {%- set deleted = "coalesce(source.is_deleted, false) or gone.deleted_at is not null" -%}
    {{ deleted }} as is_deleted,
    {%- for moment in moments %}
    case when {{ deleted }}
        then coalesce(gone.deleted_{{ moment }}, source.updated_{{ moment }}) end as deleted_{{ moment }},
    {%- endfor %}
    case when {{ deleted }}
        then coalesce(gone.deleted_by, source.updated_by) end as deleted_by
{%- endmacro %}

{# The joins and the condition that `deletion_of_card` needs; cards that are missing from the last list are left out. #}
{% macro with_deletions(kind, id) -%}
left join {{ ref("stg_amocrm__deleted_entities") }} as gone
    on gone.project_id = source.project_id and gone.entity_type = '{{ kind }}' and gone.entity_id = source.{{ id }}
{{ listed(kind, id) }}
where coalesce(source.is_deleted, false) or gone.deleted_at is not null or not {{ left_without_event() }}
{%- endmacro %}

{# The columns of a table of custom fields. #}
{% macro value_columns(owner) %}
    {{ return({
        owner ~ "_id": "int", "custom_field_id": "int", "name": "text", "value": "text", "value_index": "int",
        "field_code": "text", "field_type": "text", "enum": "int", "enum_code": "text",
        "read_at": "time"
    }) }}
{% endmacro %}

{#
    The rows of `source` that are values of a card now: those of the card's newest reading. A tombstone's reading brought none.
#}
{% macro values_of_card(cards, owner, id=none) -%}
{%- set id = id or owner ~ "_id" -%}
select
    source.project_id,
    source.{{ owner }}_id as {{ id }},
    source.custom_field_id,
    source.name,
    source.value,
    source.value_index,
    source.field_code,
    source.field_type,
    source.enum,
    source.enum_code,
    card.updated_at
from source
inner join {{ cards }} as card
    on card.project_id = source.project_id and card.{{ id }} = source.{{ owner }}_id
    and card.read_at = source.read_at
{%- endmacro %}

{# Phones and e-mail addresses of the cards of a kind. #}
{% macro reachable_cards(kind) -%}
    select
        project_id, entity_id as {{ kind }}_id,
        {{ joined_in_order("case when kind = 'phone' then value end", "value_index") }} as phones,
        {{ joined_in_order("case when kind = 'email' then value end", "value_index") }} as emails
    from {{ ref("int_amocrm__phones_emails") }}
    where entity_type = '{{ kind }}'
    group by project_id, entity_id
{%- endmacro %}

{# The deals that `links` connect to the cards of a kind, and what was won of them. #}
{% macro deals_of_cards(kind, links) -%}
    select
        links.project_id, links.{{ kind }}_id,
        count(*) as deals,
        count(*) filter (where deals.stage_kind in ('open', 'unsorted')) as open_deals,
        count(*) filter (where deals.stage_kind = 'won') as won_deals,
        coalesce(sum(deals.budget) filter (where deals.stage_kind = 'won'), 0) as won_budget,
        max(deals.created_at) as last_deal_at
    from {{ links }} as links
    inner join {{ ref("amocrm__deals") }} as deals on deals.project_id = links.project_id and deals.deal_id = links.deal_id
    where not deals.is_deleted
    group by links.project_id, links.{{ kind }}_id
{%- endmacro %}
