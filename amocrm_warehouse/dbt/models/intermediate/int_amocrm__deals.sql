-- Every known deal with the moment it began; a deal whose row is empty began at the event of its creation. Its history begins
-- no later than its first change and its deletion, because an integration may give a deal any date of creation.
with added as (
    select project_id, entity_id as deal_id, min(created_at) as created_at, min(created_at_local) as created_at_local
    from {{ ref("stg_amocrm__events") }}
    where type = 'lead_added' and entity_type = 'deal'
    group by project_id, entity_id
),

changed as (
    select project_id, deal_id, min(created_at) as created_at, min(created_at_local) as created_at_local
    from (
        {% for changes in ["stg_amocrm__deal_statuses", "stg_amocrm__deal_responsible_changes", "stg_amocrm__deal_sale_changes"] %}
        {% if not loop.first %}union all{% endif %}
        select project_id, deal_id, created_at, created_at_local from {{ ref(changes) }}
        {% endfor %}
    ) as changes
    group by project_id, deal_id
)

select
    deals.*,
    coalesce(deals.created_at, added.created_at) as began_at,
    coalesce(deals.created_at_local, added.created_at_local) as began_at_local,
    {%- for moment in ["at", "at_local"] %}
    case when coalesce(deals.created_{{ moment }}, added.created_{{ moment }}, changed.created_{{ moment }}) is not null
        then least(coalesce(deals.created_{{ moment }}, added.created_{{ moment }}), changed.created_{{ moment }}, deals.deleted_{{ moment }})
        end as known_from{{ moment[2:] }}{{ "," if not loop.last }}
    {%- endfor %}
from {{ ref("stg_amocrm__deals") }} as deals
left join added on added.project_id = deals.project_id and added.deal_id = deals.deal_id
left join changed on changed.project_id = deals.project_id and changed.deal_id = deals.deal_id
