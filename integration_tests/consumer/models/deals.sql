select project_id, pipeline_name, count(*) as deals
from {{ ref("amocrm__deals") }}
where not is_deleted
group by project_id, pipeline_name
