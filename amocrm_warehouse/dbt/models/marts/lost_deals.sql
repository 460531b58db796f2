select
    deals.project_id,
    deals.deal_id,
    deals.name,
    deals.pipeline_id,
    deals.pipeline_name,
    stages.status_id_before as lost_from_status_id,
    before.status_name as lost_from_status_name,
    deals.loss_reason_id,
    deals.loss_reason,
    deals.budget,
    deals.responsible_user_id,
    deals.responsible_name,
    deals.source_name,
    deals.utm_source,
    deals.created_at_local,
    coalesce(deals.closed_at_local, stages.from_at_local) as lost_at_local,
    cast(date_trunc('month', coalesce(deals.closed_at_local, stages.from_at_local)) as date) as lost_month,
    {{ days_between("deals.created_at", "coalesce(deals.closed_at, stages.from_at)") }} as days_to_loss,
    stages.moved_by as lost_by
from {{ ref("deals") }} as deals
left join {{ ref("int_deal_stages") }} as stages
    on stages.project_id = deals.project_id and stages.deal_id = deals.deal_id and stages.is_last
left join {{ ref("stg_statuses") }} as before
    on before.project_id = stages.project_id
    and before.pipeline_id = stages.pipeline_id_before
    and before.status_id = stages.status_id_before
where deals.stage_kind = 'lost' and not deals.is_deleted
