select
    project_id,
    created_month,
    pipeline_id,
    pipeline_name,
    source_name,
    utm_source,
    utm_medium,
    utm_campaign,
    currency
    {{- by_value() }},
    count(*) as deals,
    count(*) filter (where stage_kind = 'won') as won,
    count(*) filter (where stage_kind = 'lost') as lost,
    coalesce(sum(budget) filter (where stage_kind = 'won'), 0) as won_budget
from {{ ref("amocrm__deals") }}
where not is_deleted
group by 1, 2, 3, 4, 5, 6, 7, 8, 9{{ by_value() }}
