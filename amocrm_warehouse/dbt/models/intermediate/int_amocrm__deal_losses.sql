-- The stage from which each deal that is lost now was lost: its last stage that is not lost, of any pipeline. A deal that was
-- created as lost, or whose moves were not read, has no row.
select project_id, deal_id, pipeline_id, status_id
from (
    select
        stages.project_id, stages.deal_id, stages.pipeline_id, stages.status_id,
        row_number() over (partition by stages.project_id, stages.deal_id order by stages.position desc) as nth_last
    from {{ ref("int_amocrm__deal_stages") }} as stages
    inner join {{ ref("int_amocrm__deals") }} as deals
        on deals.project_id = stages.project_id and deals.deal_id = stages.deal_id
    where deals.status_id = {{ lost_status() }} and stages.status_id <> {{ lost_status() }}
) as before
where nth_last = 1
