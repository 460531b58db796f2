select
    stages.project_id,
    stages.deal_id,
    stages.position,
    stages.pipeline_id,
    statuses.pipeline_name,
    stages.status_id,
    statuses.status_name,
    {{ stage_kind("stages.status_id", "statuses") }} as stage_kind,
    stages.pipeline_id_before,
    stages.status_id_before,
    before.status_name as status_name_before,
    stages.from_at,
    stages.from_at_local,
    stages.to_at,
    stages.to_at_local,
    stages.seconds,
    stages.is_last,
    stages.event_id,
    stages.moved_by,
    {{ user_name("users", "stages.moved_by") }} as moved_by_name,
    stages.is_deleted
from {{ ref("int_amocrm__deal_stages") }} as stages
left join {{ ref("int_amocrm__stages") }} as statuses
    on statuses.project_id = stages.project_id
    and statuses.pipeline_id = stages.pipeline_id
    and statuses.status_id = stages.status_id
left join {{ ref("int_amocrm__stages") }} as before
    on before.project_id = stages.project_id
    and before.pipeline_id = stages.pipeline_id_before
    and before.status_id = stages.status_id_before
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = stages.project_id and users.user_id = stages.moved_by
