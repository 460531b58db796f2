"""What the report reads of the marts, as SQL that DuckDB and PostgreSQL both understand.

`{since}` is the first day of the first month shown; `{periods}` are rows of a period's id and one of its months, for a
join on equality, which is fast; `{next_month}` there stands for all that come after this one.
Everything is summed up by pipeline and month, so that the page stays small however many deals there are.
"""

from __future__ import annotations

CLOCK = """
    select
        max(built_at) as built_at,
        cast(max(built_at at time zone 'UTC' at time zone time_zone) as date) as today,
        (
            select min(month) from (
                select created_month as month from amocrm_marts.attribution
                union all select month from amocrm_marts.sales
                union all select lost_month from amocrm_marts.lost_deals
            ) as months
        ) as first_month
    from amocrm_marts.freshness
    inner join amocrm_staging.int_accounts using (project_id)
"""
"""The moment of the build, its day by the clock of the account, and the first month of which there is anything."""

SOURCES_SHOWN = 25
STALE_SHOWN = 20

QUERIES = {
    "accounts": """
        select project_id, name, currency, time_zone from amocrm_staging.int_accounts order by project_id
    """,
    "pipelines": """
        select project_id, pipeline_id, max(pipeline_name) as pipeline_name, sum(deals) as deals
        from (
            select project_id, pipeline_id, pipeline_name, deals from amocrm_marts.attribution
            union all
            select project_id, pipeline_id, pipeline_name, 0 from amocrm_marts.funnel
        ) as known
        where pipeline_id is not null
        group by project_id, pipeline_id
        order by project_id, deals desc, pipeline_id
    """,
    "created": """
        select project_id, pipeline_id, created_month as month, sum(deals) as deals
        from amocrm_marts.attribution
        where created_month >= date '{since}'
        group by project_id, pipeline_id, created_month
        order by project_id, pipeline_id, created_month
    """,
    "funnel": """
        select
            project_id, pipeline_id, cohort_month as month, status_id, status_name, status_sort, stage_kind,
            cohort_deals, reached, lost
        from amocrm_marts.funnel
        where cohort_month >= date '{since}'
        order by project_id, pipeline_id, status_sort, status_id, cohort_month
    """,
    "stage_medians": """
        select
            periods.period, stays.project_id, stays.pipeline_id, stays.status_id,
            percentile_cont(0.5) within group (order by stays.seconds) as seconds, count(*) as stays
        from amocrm_marts.deal_stage_history as stays
        inner join amocrm_marts.deals as deals
            on deals.project_id = stays.project_id and deals.deal_id = stays.deal_id
        inner join (values {periods}) as periods (period, month)
            on periods.month = least(deals.created_month, date '{next_month}')
        where not stays.is_deleted and stays.seconds is not null
        group by periods.period, stays.project_id, stays.pipeline_id, stays.status_id
        order by 1, 2, 3, 4
    """,
    "closing_medians": """
        select
            periods.period, project_id, pipeline_id,
            percentile_cont(0.5) within group (order by seconds_to_close) as seconds
        from amocrm_marts.deals
        inner join (values {periods}) as periods (period, month)
            on periods.month = least(closed_month, date '{next_month}')
        where stage_kind = 'won' and not is_deleted and seconds_to_close is not null
        group by periods.period, grouping sets ((), (project_id), (project_id, pipeline_id))
        order by 1, 2, 3
    """,
    "sales": """
        select
            project_id, pipeline_id, month, responsible_user_id, responsible_name,
            sum(won) as won, sum(won_budget) as won_budget, sum(lost) as lost
        from amocrm_marts.sales
        where month >= date '{since}'
        group by project_id, pipeline_id, month, responsible_user_id, responsible_name
        order by project_id, pipeline_id, month, responsible_user_id
    """,
    "plans": """
        select project_id, month, responsible_user_id, responsible_name, plan
        from amocrm_marts.sales_plan
        where plan is not null and month >= date '{since}'
        order by project_id, month, responsible_user_id
    """,
    "losses": """
        select
            project_id, pipeline_id, lost_month as month, loss_reason as reason,
            count(*) as deals, coalesce(sum(budget), 0) as budget
        from amocrm_marts.lost_deals
        where lost_month >= date '{since}'
        group by project_id, pipeline_id, lost_month, loss_reason
        order by project_id, pipeline_id, lost_month, loss_reason
    """,
    "sources": f"""
        with named as (
            select
                project_id, pipeline_id, created_month as month,
                substr(coalesce(source_name, utm_source), 1, 80) as source, deals, won, won_budget
            from amocrm_marts.attribution
            where created_month >= date '{{since}}'
        ),

        ranked as (
            select
                project_id, source,
                row_number() over (partition by project_id order by sum(deals) desc, source) as place
            from named
            where source is not null
            group by project_id, source
        )

        select
            named.project_id, named.pipeline_id, named.month,
            case when ranked.place <= {SOURCES_SHOWN} then named.source end as source,
            coalesce(ranked.place > {SOURCES_SHOWN}, false) as is_other,
            sum(named.deals) as deals, sum(named.won) as won, sum(named.won_budget) as won_budget
        from named
        left join ranked on ranked.project_id = named.project_id and ranked.source = named.source
        group by 1, 2, 3, 4, 5
        order by 1, 2, 3, 4, 5
    """,
    "open": """
        select
            aged.project_id, aged.pipeline_id, aged.status_id, aged.status_name, sorted.status_sort, aged.age,
            count(*) as deals, coalesce(sum(aged.budget), 0) as budget
        from (
            select
                deals.project_id, deals.pipeline_id, deals.status_id, deals.status_name, deals.budget,
                case
                    when stays.from_at is null then 4
                    when stays.from_at > cast('{built_at}' as timestamp) - interval '7' day then 0
                    when stays.from_at > cast('{built_at}' as timestamp) - interval '30' day then 1
                    when stays.from_at > cast('{built_at}' as timestamp) - interval '90' day then 2
                    else 3
                end as age
            from amocrm_marts.deals as deals
            left join amocrm_marts.deal_stage_history as stays
                on stays.project_id = deals.project_id and stays.deal_id = deals.deal_id and stays.is_last
            where deals.stage_kind in ('open', 'unsorted') and not deals.is_deleted
        ) as aged
        left join (
            select project_id, pipeline_id, status_id, max(status_sort) as status_sort
            from amocrm_marts.funnel
            group by project_id, pipeline_id, status_id
        ) as sorted
            on sorted.project_id = aged.project_id
            and sorted.pipeline_id = aged.pipeline_id
            and sorted.status_id = aged.status_id
        group by 1, 2, 3, 4, 5, 6
        order by 1, 2, 5, 3, 6
    """,
    "stale": """
        select
            project_id, pipeline_id, responsible_user_id, responsible_name,
            count(*) as deals, coalesce(sum(budget), 0) as budget
        from amocrm_marts.stale_deals
        group by project_id, pipeline_id, responsible_user_id, responsible_name
        order by project_id, pipeline_id, responsible_user_id
    """,
    "stale_deals": f"""
        select
            project_id, pipeline_id, deal_id, name, pipeline_name, status_name, responsible_name, budget,
            days_without_activity, open_tasks
        from (
            select
                stale_deals.*,
                row_number() over (
                    partition by project_id, pipeline_id
                    order by coalesce(budget, 0) desc, days_without_activity desc, deal_id
                ) as place
            from amocrm_marts.stale_deals
        ) as ranked
        where place <= {STALE_SHOWN}
        order by coalesce(budget, 0) desc, days_without_activity desc, deal_id
    """,
    "tasks": """
        select
            tasks.project_id, deals.pipeline_id, tasks.responsible_user_id, tasks.responsible_name,
            count(*) as tasks, count(*) filter (where tasks.is_overdue) as overdue
        from amocrm_marts.tasks_open as tasks
        left join amocrm_marts.deals as deals
            on deals.project_id = tasks.project_id
            and deals.deal_id = case when tasks.entity_type = 'deal' then tasks.entity_id end
        group by 1, 2, 3, 4
        order by 1, 2, 3
    """,
    "work": """
        select
            project_id, cast(date_trunc('month', day) as date) as month, user_id, user_name,
            sum(calls_in) as calls_in, sum(calls_out) as calls_out, sum(talk_seconds) as talk_seconds,
            sum(messages) as messages, sum(notes) as notes, sum(stage_moves) as stage_moves,
            sum(tasks_done) as tasks_done
        from amocrm_marts.manager_activity
        where day >= date '{since}'
        group by 1, 2, 3, 4
        order by 1, 2, 3
    """,
    "hours": """
        select
            touches.project_id, deals.pipeline_id, cast(date_trunc('month', touches.touched_at_local) as date) as month,
            cast(24 * (extract(isodow from touches.touched_at_local) - 1) + extract(hour from touches.touched_at_local)
                as integer) as hour_of_week,
            count(*) as touches
        from amocrm_staging.int_touches as touches
        left join amocrm_marts.deals as deals
            on deals.project_id = touches.project_id
            and deals.deal_id = case when touches.entity_type = 'deal' then touches.entity_id end
        where touches.person is not null and touches.touched_at_local >= date '{since}'
        group by 1, 2, 3, 4
        order by 1, 2, 3, 4
    """,
    "freshness": """
        select project_id, source_table, is_there, row_count, newest_at
        from amocrm_marts.freshness
        order by project_id, source_table
    """,
}
