select
    deals.project_id,
    deals.deal_id,
    deals.name,
    deals.pipeline_id,
    deals.pipeline_name,
    losses.status_id as lost_from_status_id,
    before.status_name as lost_from_status_name,
    deals.loss_reason_id,
    deals.loss_reason,
    deals.budget,
    deals.currency,
    deals.closer_id as responsible_user_id,
    deals.closer_name as responsible_name,
    deals.closer_as_of as responsible_as_of,
    deals.responsible_user_id as present_user_id,
    deals.responsible_name as present_name,
    deals.source_name,
    deals.utm_source,
    deals.created_at_local,
    coalesce(deals.closed_at_local, stages.from_at_local) as lost_at_local,
    cast(date_trunc('month', coalesce(deals.closed_at_local, stages.from_at_local)) as date) as lost_month,
    {{ unless_negative(days_between("deals.created_at", "coalesce(deals.closed_at, stages.from_at)")) }} as days_to_loss,
    stages.moved_by as lost_by
    {{- by_value("deals") }}
from {{ ref("amocrm__deals") }} as deals
left join {{ ref("int_amocrm__deal_stages") }} as stages
    on stages.project_id = deals.project_id and stages.deal_id = deals.deal_id and stages.is_last
left join {{ ref("int_amocrm__deal_losses") }} as losses
    on losses.project_id = deals.project_id and losses.deal_id = deals.deal_id
left join {{ ref("int_amocrm__stages") }} as before
    on before.project_id = losses.project_id
    and before.pipeline_id = losses.pipeline_id
    and before.status_id = losses.status_id
where deals.stage_kind = 'lost' and not deals.is_deleted
