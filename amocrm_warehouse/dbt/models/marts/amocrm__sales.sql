-- A deal without closed_at was closed when it entered its stage. A sale belongs to the user who was responsible when the deal was
-- closed or, if that is not known, to the present responsible user.
select
    project_id,
    cast(date_trunc('month', ended_at_local) as date) as month,
    pipeline_id,
    pipeline_name,
    closer_id as responsible_user_id,
    closer_name as responsible_name,
    closer_as_of as responsible_as_of,
    responsible_user_id as present_user_id,
    responsible_name as present_name,
    coalesce(source_name, utm_source) as source,
    currency
    {{- by_value() }},
    count(*) filter (where stage_kind = 'won') as won,
    coalesce(sum(budget) filter (where stage_kind = 'won'), 0) as won_budget,
    count(*) filter (where stage_kind = 'lost') as lost,
    coalesce(sum(budget) filter (where stage_kind = 'lost'), 0) as lost_budget,
    {{ median("seconds_to_close") }} as median_seconds_to_close
from {{ ref("amocrm__deals") }}
where stage_kind in ('won', 'lost') and ended_at_local is not null and not is_deleted
group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11{{ by_value() }}
