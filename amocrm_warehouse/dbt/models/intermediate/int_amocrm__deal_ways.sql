-- How far each deal came in each pipeline in which it has been. Only a deal that is won now has reached won, so a deal that was
-- opened again has not. Lost and unsorted are no stages of the way; was_unsorted tells whether the deal has been in unsorted.
select
    stages.project_id,
    stages.deal_id,
    stages.pipeline_id,
    max(case
        when statuses.stage_kind = 'open' or (statuses.stage_kind = 'won' and stages.is_last) then statuses.status_sort
    end) as furthest_sort,
    coalesce(bool_or(statuses.stage_kind = 'unsorted'), false) as was_unsorted,
    max(case when losses.pipeline_id = stages.pipeline_id then losses.status_id end) as lost_from_status_id
from {{ ref("int_amocrm__deal_stages") }} as stages
left join {{ ref("stg_amocrm__statuses") }} as statuses
    on statuses.project_id = stages.project_id
    and statuses.pipeline_id = stages.pipeline_id
    and statuses.status_id = stages.status_id
left join {{ ref("int_amocrm__deal_losses") }} as losses
    on losses.project_id = stages.project_id and losses.deal_id = stages.deal_id
where not stages.is_deleted
group by stages.project_id, stages.deal_id, stages.pipeline_id
