-- The user who was responsible for each closed deal when it was closed, if the changes of responsible users tell that user: they
-- were read, and the first change after the closing says who was responsible before it. A deal without closed_at was closed when
-- it entered its stage.
select owners.project_id, owners.deal_id, owners.responsible_user_id
from {{ ref("int_amocrm__deal_owners") }} as owners
inner join {{ ref("int_amocrm__deals") }} as deals
    on deals.project_id = owners.project_id and deals.deal_id = owners.deal_id
inner join {{ ref("int_amocrm__deal_stages") }} as stages
    on stages.project_id = owners.project_id and stages.deal_id = owners.deal_id and stages.is_last
where {{ is_closed("deals.status_id") }}
    and owners.from_at is not null
    and owners.responsible_user_id is not null
    and (owners.from_at <= coalesce(deals.closed_at, stages.from_at) or owners.position = 0)
    and (owners.to_at is null or owners.to_at > coalesce(deals.closed_at, stages.from_at))
