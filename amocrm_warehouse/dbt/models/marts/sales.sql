select
    project_id,
    closed_month as month,
    pipeline_id,
    pipeline_name,
    responsible_user_id,
    responsible_name,
    coalesce(source_name, utm_source) as source,
    currency,
    count(*) filter (where stage_kind = 'won') as won,
    coalesce(sum(budget) filter (where stage_kind = 'won'), 0) as won_budget,
    count(*) filter (where stage_kind = 'lost') as lost,
    coalesce(sum(budget) filter (where stage_kind = 'lost'), 0) as lost_budget,
    {{ median("seconds_to_close") }} as median_seconds_to_close
from {{ ref("deals") }}
where stage_kind in ('won', 'lost') and closed_month is not null and not is_deleted
group by 1, 2, 3, 4, 5, 6, 7, 8
