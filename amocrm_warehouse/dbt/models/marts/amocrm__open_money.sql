-- The money moves of each month, and both of its ends as running sums of the moves.
{% set gains, losses = ["came_new", "came_back", "priced", "grew", "moved_in"], ["shrank", "moved_out", "left_won", "left_lost", "left_deleted"] %}
{% set parts = ["from_other_pipelines", "to_other_pipelines", "from_other_managers", "to_other_managers"] %}
{% set deals_in, deals_out = ["deals_new", "deals_back", "deals_in"], ["deals_out", "deals_won", "deals_lost", "deals_deleted"] %}
with monthly as (
    select
        project_id, cast(date_trunc('month', day) as date) as month, pipeline_id, responsible_user_id
        {%- for name in gains + losses + parts + deals_in + deals_out %},
        sum({{ name }}) as {{ name }}
        {%- endfor %}
    from {{ ref("int_amocrm__money_moves") }}
    group by 1, 2, 3, 4
),

-- each month from the first one of a pipeline and user to the present one
months as (
    select distinct project_id, pipeline_id, responsible_user_id, cast(date_trunc('month', day) as date) as month
    from (
        select
            monthly.project_id, monthly.pipeline_id, monthly.responsible_user_id,
            {{ days("min(monthly.month)", "greatest(max(monthly.month), max(accounts.today))") }} as day
        from monthly
        inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = monthly.project_id
        group by 1, 2, 3
    ) as days
),

running as (
    select
        months.*
        {%- for name in gains + losses + parts + deals_in + deals_out %},
        coalesce(monthly.{{ name }}, 0) as {{ name }}
        {%- endfor %},
        cast(sum(
            {%- for change in gains %} + coalesce(monthly.{{ change }}, 0){% endfor %}
            {%- for change in losses %} - coalesce(monthly.{{ change }}, 0){% endfor %}
        ) over months_until as numeric(38, 2)) as at_end,
        cast(sum(
            {%- for name in deals_in %} + coalesce(monthly.{{ name }}, 0){% endfor %}
            {%- for name in deals_out %} - coalesce(monthly.{{ name }}, 0){% endfor %}
        ) over months_until as bigint) as deals_at_end
    from months
    left join monthly
        on monthly.project_id = months.project_id and monthly.month = months.month
        and monthly.pipeline_id is not distinct from months.pipeline_id
        and monthly.responsible_user_id is not distinct from months.responsible_user_id
    window months_until as (
        partition by months.project_id, months.pipeline_id, months.responsible_user_id order by months.month
        rows between unbounded preceding and current row
    )
),

with_starts as (
    select
        running.*,
        at_end{% for change in gains %} - {{ change }}{% endfor %}{% for change in losses %} + {{ change }}{% endfor %} as at_start,
        deals_at_end{% for name in deals_in %} - {{ name }}{% endfor %}{% for name in deals_out %} + {{ name }}{% endfor %} as deals_at_start
    from running
),

pipelines as (
    select project_id, pipeline_id, max(pipeline_name) as pipeline_name
    from {{ ref("stg_amocrm__statuses") }}
    group by project_id, pipeline_id
)

select
    moves.project_id,
    moves.month,
    moves.pipeline_id,
    pipelines.pipeline_name,
    moves.responsible_user_id,
    {{ user_name("users", "moves.responsible_user_id") }} as responsible_name
    {%- for name in ["deals_at_start"] + deals_in + deals_out + ["deals_at_end"] %},
    cast(moves.{{ name }} as bigint) as {{ name }}
    {%- endfor %}
    {%- for name in ["at_start"] + gains + losses + parts + ["at_end"] %},
    cast(case when accounts.budgets_known{% if "managers" in name %} and accounts.owners_known{% endif %} then moves.{{ name }} end as numeric(38, 2)) as {{ name }}
    {%- endfor %},
    accounts.currency
from with_starts as moves
inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = moves.project_id
left join pipelines on pipelines.project_id = moves.project_id and pipelines.pipeline_id = moves.pipeline_id
left join {{ ref("stg_amocrm__users") }} as users
    on users.project_id = moves.project_id and users.user_id = moves.responsible_user_id
where moves.deals_at_start + moves.deals_new + moves.deals_back + moves.deals_in > 0
