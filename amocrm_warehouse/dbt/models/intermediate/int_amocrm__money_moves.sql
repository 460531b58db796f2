-- A deal that is won, lost or deleted leaves the pipeline and the user that it was with before, with its budget of that moment; a
-- change of its budget at the same moment is counted before.
{% set other_pipeline, other_user = "pipeline_before is distinct from pipeline_id", "user_before is distinct from responsible_user_id" %}
{% set moves = [
    ("moved_in", "moved_out", other_pipeline ~ " or " ~ other_user), ("from_other_pipelines", "to_other_pipelines", other_pipeline),
    ("from_other_managers", "to_other_managers", other_user),
] %}
{% set amounts = [
    "came_new", "came_back", "priced", "grew", "moved_in", "shrank", "moved_out", "left_won", "left_lost", "left_deleted",
    "from_other_pipelines", "to_other_pipelines", "from_other_managers", "to_other_managers",
] %}
{% set counted = {"new": "came_new", "back": "came_back", "in": "moved_in", "out": "moved_out", "won": "left_won", "lost": "left_lost", "deleted": "left_deleted"} %}
with spans as (
    select
        project_id, deal_id, from_at, from_at_local, to_at, to_at_local, pipeline_id, responsible_user_id, stage_kind,
        coalesce(stage_kind in ('open', 'unsorted'), false) as is_open, coalesce(budget, 0) as budget
    from {{ ref("amocrm__deal_history") }}
),

steps as (
    select
        spans.*,
        lead(from_at) over of_deal is null as is_last,
        coalesce(lag(is_open) over of_deal, false) as was_open,
        lag(pipeline_id) over of_deal as pipeline_before,
        lag(responsible_user_id) over of_deal as user_before,
        lag(budget) over of_deal as budget_before,
        coalesce(max(case when is_open then 1 else 0 end) over (
            partition by project_id, deal_id order by from_at rows between unbounded preceding and 1 preceding
        ), 0) = 1 as was_ever_open
    from spans
    window of_deal as (partition by project_id, deal_id order by from_at)
),

changes as (
    -- comes
    select
        project_id, cast(from_at_local as date) as day, pipeline_id, responsible_user_id,
        case when was_ever_open then 'came_back' else 'came_new' end as change, budget as amount
    from steps
    where is_open and not was_open

    union all

    -- goes
    select
        project_id, cast(from_at_local as date), pipeline_before, user_before,
        case when stage_kind = 'won' then 'left_won' else 'left_lost' end, budget
    from steps
    where was_open and not is_open

    union all

    select
        project_id, cast(greatest(to_at_local, from_at_local) as date), pipeline_id, responsible_user_id,
        'left_deleted', budget
    from steps
    where is_open and is_last and to_at is not null

    union all

    -- goes over to another pipeline or user
    {% for into, out_of, condition in moves %}
    {% for change, pipeline, user in [(out_of, "pipeline_before", "user_before"), (into, "pipeline_id", "responsible_user_id")] %}
    select
        project_id, cast(from_at_local as date), {{ pipeline }}, {{ user }}, '{{ change }}', budget_before
    from steps
    where was_open and is_open and ({{ condition }})

    union all
    {% endfor %}
    {% endfor %}

    -- has another budget; of a deal that goes at that moment, where it was before
    select
        project_id, cast(from_at_local as date),
        case when is_open then pipeline_id else pipeline_before end, case when is_open then responsible_user_id else user_before end,
        case when budget < budget_before then 'shrank' when budget_before = 0 then 'priced' else 'grew' end, abs(budget - budget_before)
    from steps
    where was_open and budget <> budget_before
)

select
    project_id, day, pipeline_id, responsible_user_id
    {%- for change in amounts %},
    cast(coalesce(sum(amount) filter (where change = '{{ change }}'), 0) as numeric(38, 2)) as {{ change }}
    {%- endfor %}
    {%- for name, change in counted.items() %},
    count(*) filter (where change = '{{ change }}') as deals_{{ name }}
    {%- endfor %}
from changes
group by 1, 2, 3, 4
