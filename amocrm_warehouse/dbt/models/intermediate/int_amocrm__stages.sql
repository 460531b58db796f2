-- The stages of the account, and those that it no longer has but its deals were in: these have their last names if a sync has seen them,
-- and no place among the others.
select project_id, pipeline_id, status_id, pipeline_name, status_name, status_sort, stage_kind
from {{ ref("stg_amocrm__statuses") }}

union all

select
    met.project_id, met.pipeline_id, met.status_id, coalesce(pipelines.pipeline_name, last_pipelines.name), last_stages.name,
    cast(null as bigint),
    {{ stage_kind("met.status_id", "listed") }}
from (select distinct project_id, pipeline_id, status_id from {{ ref("int_amocrm__deal_stages") }}) as met
inner join (select distinct project_id from {{ ref("stg_amocrm__statuses") }}) as accounts on accounts.project_id = met.project_id
left join {{ ref("stg_amocrm__statuses") }} as listed
    on listed.project_id = met.project_id and listed.pipeline_id = met.pipeline_id and listed.status_id = met.status_id
left join (
    select project_id, pipeline_id, max(pipeline_name) as pipeline_name from {{ ref("stg_amocrm__statuses") }} group by 1, 2
) as pipelines on pipelines.project_id = met.project_id and pipelines.pipeline_id = met.pipeline_id
left join {{ ref("stg_amocrm__names") }} as last_pipelines
    on last_pipelines.project_id = met.project_id
    and last_pipelines.source_table = 'pipelines'
    and last_pipelines.name_id = met.pipeline_id
left join {{ ref("stg_amocrm__names") }} as last_stages
    on last_stages.project_id = met.project_id
    and last_stages.source_table = 'statuses'
    and last_stages.parent = cast(met.pipeline_id as varchar)
    and last_stages.name_id = met.status_id
where listed.project_id is null
