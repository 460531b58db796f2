"""The tables of the workbook, the digest and the assistant: SQL over the marts with named parameters.

Each takes a choice: accounts with the days of each, pipelines, users and a source. A table that counts by user has the
chosen users alone. A sum of money is of one currency, which the column `currency` names. The page counts the same from
the same marts.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from amocrm_warehouse.database import Run
from amocrm_warehouse.known_names import named, names_of_people, people_named
from amocrm_warehouse.report.answer_parts import (
    OF_DEALS,
    OWNER,
    USER_NAME,
    counts_in,
    figures,
    in_choice,
    in_period,
    month,
    moved,
    of_chosen,
    won_of_created,
)
from amocrm_warehouse.report.choice import Choice, Marks, last_months
from amocrm_warehouse.report.metrics import METRICS, column, join_deals, total, totals
from amocrm_warehouse.report.page_queries import (
    ACCOUNT,
    IS_DEACTIVATED,
    IS_DOUBLE,
    IS_DOUBLE_PIPELINE,
    REASONS,
    SOURCE,
    needs,
)
from amocrm_warehouse.report.unread_tables import ALL_ROWS_FROM, COUNTED_FROM, is_listed, unread_tables, with_unknown

ANSWERS: dict[str, str] = {
    "money": f"""
        select
            deals.project_id, chosen.currency, {month("won")} as month,
            {totals("won", "won_budget", "lost", "rate", "average")}
        from amocrm_marts.deals {of_chosen("deals")}
        where {counts_in("won")}
        group by 1, 2, 3
        order by 1, 3
    """,
    "deals": f"""
        select
            deals.project_id, chosen.currency, deals.deal_id, deals.name as deal,
            coalesce(nullif(deals.main_contact_name, ''), deals.company_name) as client, {OWNER} as user_id,
            {USER_NAME.format(id=OWNER)} as manager, deals.pipeline_id, deals.pipeline_name,
            deals.status_name as stage, deals.budget,
            {column("deals", "created")} as created_on, {column("deals", "closed")} as closed_on,
            deals.days_without_activity, {SOURCE} as source,
            case when deals.stage_kind = 'lost' then deals.loss_reason end as loss_reason
        from amocrm_marts.deals {of_chosen("deals")}
        left join amocrm_staging.stg_users as users
            on users.project_id = deals.project_id and users.user_id = {OWNER}
        where deals.stage_kind in ('open', 'unsorted') and {counts_in("open")}
            or deals.stage_kind in ('won', 'lost') and {counts_in("closed")}
        order by chosen.purse, {column("deals", "closed")} desc nulls first, deals.budget desc nulls last, deals.deal_id
    """,
    "days": f"""
        select
            deals.project_id, chosen.currency, {column(METRICS["won"].of, METRICS["won"].day or "")} as day,
            {totals("won", "won_budget")}
        from amocrm_marts.deals {of_chosen("deals")}
        where {counts_in("won")}
        group by 1, 2, 3
        order by 1, 3
    """,
    "managers": f"""
        select
            facts.project_id, chosen.currency, facts.user_id, max({USER_NAME.format(id="facts.user_id")}) as manager,
            sum(won) as won, sum(won_budget) as won_budget, sum(lost) as lost, max(rate) as rate,
            max(average) as average, sum(overdue) as overdue, sum(stale) as stale
        from (
            select
                deals.project_id, deals.closer_id as user_id, {totals("won", "won_budget", "lost", "rate", "average")},
                0 as overdue, 0 as stale
            from amocrm_marts.deals {of_chosen("deals")}
            where {counts_in("won")}
            group by 1, 2
            union all
            select tasks_open.project_id, tasks_open.responsible_user_id, 0, 0, 0, null, null, {total("overdue")}, 0
            from amocrm_marts.tasks_open {of_chosen("tasks_open")} {join_deals("tasks_open")}
            where {counts_in("overdue", None)} and {OF_DEALS}
            group by 1, 2
            union all
            select deals.project_id, deals.responsible_user_id, 0, 0, 0, null, null, 0, {total("stale")}
            from amocrm_marts.deals {of_chosen("deals")}
            where {counts_in("stale")}
            group by 1, 2
            having {total("stale")} > 0
        ) as facts
        {of_chosen("facts")}
        left join amocrm_staging.stg_users as users
            on users.project_id = facts.project_id and users.user_id = facts.user_id
        group by facts.project_id, chosen.currency, chosen.purse, facts.user_id
        order by chosen.purse, won_budget desc, won desc, 1, 3
    """,
    "plans": f"""
        select
            plans.project_id, chosen.currency, month, responsible_user_id as user_id, responsible_name as manager, plan,
            plan_so_far, won_budget, cast(won_budget as double precision) / nullif(plan_so_far, 0) as plan_share
        from amocrm_marts.sales_plan as plans {of_chosen("plans")}
        where plan is not null and {in_period("month")} and $pipelines is null and {in_choice("plans", pipeline=None)}
        order by 1, 3, 5, 4
    """,
    "funnel": f"""
        select
            ways.project_id, stages.pipeline_id, stages.pipeline_name,
            coalesce(stages.status_name, '№ ' || cast(stages.status_id as varchar)) as stage, stages.status_sort,
            stages.status_id, stages.stage_kind, count(*) as deals,
            case when stages.status_sort is not null
                then count(*) filter (where case when stages.stage_kind = 'unsorted' then ways.was_unsorted
                    else ways.furthest_sort >= stages.status_sort end) end as reached,
            case when accounts.stages_known
                then count(*) filter (where ways.lost_from_status_id = stages.status_id) end as lost_here
        from amocrm_staging.int_deal_ways as ways
        inner join amocrm_staging.int_accounts as accounts on accounts.project_id = ways.project_id
        inner join amocrm_marts.deals as deals on deals.project_id = ways.project_id and deals.deal_id = ways.deal_id
        {of_chosen("deals")}
        inner join amocrm_staging.int_stages as stages
            on stages.project_id = ways.project_id and stages.pipeline_id = ways.pipeline_id
            and stages.stage_kind <> 'lost'
        where not deals.is_deleted and {in_period("deals.created_at_local")} and {in_choice("deals", pipeline=None)}
            and {in_choice("ways", user=None)}
        group by 1, 2, 3, 4, 5, 6, 7, accounts.stages_known
        order by 1, 2, 5, 6
    """,
    "reasons": f"""
        select
            deals.project_id, chosen.currency, deals.loss_reason as reason, {total("lost")} as deals,
            {totals("lost_budget")}
        from amocrm_marts.deals {of_chosen("deals")}
        where {counts_in("lost")}
        group by 1, 2, 3, chosen.purse
        having {total("lost")} > 0
        order by chosen.purse, 4 desc, 5 desc, 3
    """,
    "reasons_by_month": f"""
        select
            deals.project_id, chosen.currency, {month("lost")} as month, deals.loss_reason as reason,
            {total("lost")} as deals, {totals("lost_budget")}
        from amocrm_marts.deals {of_chosen("deals")}
        where {counts_in("lost")}
        group by 1, 2, 3, 4, chosen.purse
        having {total("lost")} > 0
        order by chosen.purse, 1, 3, 5 desc, 6 desc, 4
    """,
    "moved": moved(),
    "created_by_hour": f"""
        select
            deals.project_id, cast(extract(isodow from deals.created_at_local) as integer) as weekday,
            cast(extract(hour from deals.created_at_local) as integer) as hour, {total("created")} as deals
        from amocrm_marts.deals {of_chosen("deals")}
        where {counts_in("created")}
        group by 1, 2, 3
        order by 1, 2, 3
    """,
    "speed": won_of_created(f"{column('deals', 'speed')} as speed"),
    "calls": f"""
        select
            calls.project_id, calls.manager_id as user_id,
            case when calls.manager_id = 0 then 'robot' else max(calls.manager_name) end as manager,
            {totals("incoming_calls", "missed_calls", "called_back", "back_after", "back_within_hour")}
        from amocrm_marts.calls {of_chosen("calls")} {join_deals("calls")}
        where calls.direction = 'in' and {counts_in("incoming_calls", None)} and {OF_DEALS}
        group by 1, 2, case when calls.manager_id is null then calls.manager_name end
        order by 1, 4 desc, 5 desc, 3, 2
    """,
    "repeat": won_of_created("deals.is_repeat"),
    "goods": f"""
        select
            goods.project_id, chosen.currency, goods.name as good, goods.entity_type = 'customer' as is_purchase,
            count(distinct coalesce(goods.transaction_id, goods.entity_id)) as sales, sum(goods.quantity) as quantity,
            sum(goods.amount_now) as amount_now
        from amocrm_marts.goods_sold as goods {of_chosen("goods")}
        where {in_period("goods.sold_at_local")} and {in_choice("goods")}
        group by 1, 2, 3, 4, goods.catalog_id, goods.catalog_element_id
        order by 1, 7 desc nulls last, 6 desc nulls last, 3, 4
    """,
    "sources": f"""
        select
            facts.project_id, chosen.currency, source, sum(deals) as deals, sum(won_of_created) as won_of_created,
            max(source_rate) as source_rate, sum(won_of_created_budget) as won_of_created_budget, sum(won) as won,
            sum(won_budget) as won_budget
        from (
            select
                deals.project_id, {SOURCE} as source, {total("created")} as deals,
                {totals("won_of_created", "source_rate", "won_of_created_budget")}, 0 as won, 0 as won_budget
            from amocrm_marts.deals {of_chosen("deals")}
            where {counts_in("created")}
            group by 1, 2
            union all
            select deals.project_id, {SOURCE}, 0, 0, null, 0, {totals("won", "won_budget")}
            from amocrm_marts.deals {of_chosen("deals")}
            where {counts_in("won")}
            group by 1, 2
            having {total("won")} > 0
        ) as facts
        {of_chosen("facts")}
        group by 1, 2, 3, chosen.purse
        order by chosen.purse, 4 desc, 7 desc, 3
    """,
    "stuck": f"""
        select
            deals.project_id, chosen.currency, deals.pipeline_id,
            coalesce(deals.pipeline_name, '#' || cast(deals.pipeline_id as varchar)) as pipeline_name,
            coalesce(deals.status_name, '#' || cast(deals.status_id as varchar)) as stage,
            {total("open")} as deals, {total("open_budget")} as budget
        from amocrm_marts.deals {of_chosen("deals")}
        where {counts_in("open")}
        group by 1, 2, 3, 4, 5, deals.status_id
        having {total("open")} > 0
        order by 1, 3, 6 desc, 5
    """,
    "today": f"""
        select
            today.project_id, chosen.currency, reason as why, entity_type, entity_id, entity_name as card, text,
            responsible_user_id as user_id, responsible_name as manager, pipeline_id, pipeline_name,
            status_name as stage, budget, since_at_local, days, usual_days, item_id
        from amocrm_marts.today as today {of_chosen("today")}
        where {in_choice("today")}
        order by chosen.purse, coalesce(budget, 0) desc, coalesce(days, -1) desc, entity_type, entity_id, reason,
            item_id
    """,
    "queue": f"""
        select
            queue.project_id, chosen.currency, responsible_user_id as user_id, responsible_name as manager, place,
            reason, reasons as why, entity_type, entity_id, entity_name as card, text, pipeline_id,
            pipeline_name, status_name as stage, budget, since_at_local, working_minutes, days, item_id
        from amocrm_marts.queue as queue {of_chosen("queue")}
        where {in_choice("queue")}
        order by chosen.purse, urgency, case when working_minutes is not null then since_at_local end desc nulls last,
            coalesce(budget, 0) desc, since_at_local nulls last, entity_type nulls last,
            coalesce(entity_id, -item_id), item_id, responsible_user_id
    """,
    "dead": f"""
        select chosen.project_id, chosen.currency, {totals("dead", "dead_budget")}
        from chosen left join amocrm_marts.deals on deals.project_id = chosen.project_id and {counts_in("dead")}
        group by chosen.project_id, chosen.currency
        order by chosen.project_id
    """,
    "forecast": f"""
        select
            forecast.project_id, chosen.currency, pipeline_id,
            coalesce(pipeline_name, case when pipeline_id is null then '*' end) as pipeline_name,
            months_back, months_ahead, month, expected, low, high, sold_so_far, from_open, from_new, sold,
            sold_month_before
        from amocrm_marts.forecast as forecast {of_chosen("forecast")}
        where (months_back = 0 or months_ahead = 0) and {in_choice("forecast", user=None)} and $users is null
        order by 1, pipeline_id is not null, 3, months_back desc, months_ahead
    """,
    "stale": f"""
        select
            stale_deals.project_id, chosen.currency, deal_id, name as deal, responsible_user_id as user_id,
            responsible_name as manager, pipeline_id, pipeline_name, status_name as stage, budget,
            days_without_activity, open_tasks, stale_deals.is_dead
        from amocrm_marts.stale_deals {of_chosen("stale_deals")}
        where {in_choice("stale_deals")}
        order by chosen.purse, coalesce(budget, 0) desc, days_without_activity desc, deal_id
    """,
    "work": f"""
        select
            work.project_id, user_id, user_name as manager, sum(calls_out) as calls_out, sum(calls_in) as calls_in,
            sum(talk_seconds) as talk_seconds, sum(messages) as messages, sum(notes) as notes,
            sum(stage_moves) as stage_moves, sum(tasks_done) as tasks_done
        from amocrm_marts.manager_activity as work {of_chosen("work")}
        where {in_choice("work", "user_id", None)} and {in_period("day")}
            and greatest(calls_in, calls_out, talk_seconds, messages, notes, stage_moves, tasks_done) > 0
        group by 1, 2, 3
        order by 4 desc, 9 desc, 3, 1, 2
    """,
    "talks": f"""
        select
            facts.project_id, facts.user_id, max({USER_NAME.format(id="facts.user_id")}) as manager,
            sum(talks) as talks, max(first_response) as first_response, sum(unanswered) as unanswered
        from (
            select
                conversations.project_id, conversations.responsible_user_id as user_id,
                {totals("talks", "first_response")}, 0 as unanswered
            from amocrm_marts.conversations {of_chosen("conversations")} {join_deals("conversations")}
            where {counts_in("talks", None)} and {OF_DEALS}
            group by 1, 2
            union all
            select conversations.project_id, conversations.responsible_user_id, 0, null, {total("unanswered")}
            from amocrm_marts.conversations {of_chosen("conversations")} {join_deals("conversations")}
            where {counts_in("unanswered", None)} and {OF_DEALS}
            group by 1, 2
            having {total("unanswered")} > 0
        ) as facts
        left join amocrm_staging.stg_users as users
            on users.project_id = facts.project_id and users.user_id = facts.user_id
        group by 1, 2
        order by 4 desc, 6 desc, 1, 2
    """,
    "figures": figures(),
    "untouched": f"""
        select chosen.project_id, count(queue.item_id) as untouched, max(working_minutes) as oldest_working_minutes
        from chosen left join amocrm_marts.queue as queue
            on queue.project_id = chosen.project_id and queue.reason = 'untouched' and {in_choice("queue")}
        group by chosen.project_id
        order by chosen.project_id
    """,
    "reasons_today": f"""
        select chosen.project_id, {
        ", ".join(f"count(*) filter (where reason = '{reason}') as {reason}" for reason in REASONS)
    }
        from chosen left join amocrm_marts.today as today on today.project_id = chosen.project_id
            and {in_choice("today")}
        group by chosen.project_id
        order by chosen.project_id
    """,
    "accounts": f"""
        select
            accounts.project_id, {ACCOUNT} as account, domain, accounts.currency, time_zone,
            max(synced_at) as synced_at, today, is_never_synced
        from amocrm_staging.int_accounts as accounts
        inner join chosen on chosen.project_id = accounts.project_id
        inner join amocrm_marts.freshness as freshness on freshness.project_id = accounts.project_id
        group by 1, 2, 3, 4, 5, 7, 8
        order by 1
    """,
    "people": f"""
        select
            users.project_id, users.user_id, users.name as manager, teams.name as team,
            {IS_DEACTIVATED} as is_deactivated
        from amocrm_staging.stg_users as users {of_chosen("users")}
        left join amocrm_staging.stg_groups as teams
            on teams.project_id = users.project_id and teams.group_id = users.group_id
        where {in_choice("users", "user_id", None)}
        order by 1, 3, 2
    """,
    "pipelines": f"""
        select stages.project_id, pipeline_id, pipeline_name, status_id, status_name as stage, stage_kind
        from amocrm_staging.stg_statuses as stages {of_chosen("stages")}
        where {in_choice("stages", user=None)}
        order by stages.project_id, pipeline_sort, pipeline_id, status_sort, status_id
    """,
    "deal": f"""
        select history.*, deals.name as deal
        from amocrm_marts.deal_history as history {of_chosen("history")}
        inner join amocrm_marts.deals as deals
            on deals.project_id = history.project_id and deals.deal_id = history.deal_id
        where history.deal_id = $deal
        order by history.project_id, from_at
    """,
}


def missing(unbuilt: Collection[str], *names: str) -> set[str]:
    """Returns the models that the answers need and the build lacks."""
    needed: set[str] = set().union(*(needs(ANSWERS[name]) for name in names))
    return needed & set(unbuilt)


@dataclass(frozen=True)
class AnswerTable:
    columns: list[str]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def answer(run: Run, name: str, choice: Choice, **others: Any) -> AnswerTable:
    """Runs one of ANSWERS, with null for numbers of tables that were not read, and without rows that are unknown then.

    Raises one of DATABASE_ERRORS if its marts are missing.
    """
    found = select(run, ANSWERS[name], choice, **others)
    if name not in ALL_ROWS_FROM and COUNTED_FROM.keys().isdisjoint(found.columns):
        return found
    unread = unread_tables(run, choice.days)
    known = [row for row in found.dicts() if name not in ALL_ROWS_FROM or is_listed(name, unread, row["project_id"])]
    return AnswerTable(found.columns, [tuple(with_unknown(row, unread, choice.days).values()) for row in known])


def select(run: Run, sql: str, choice: Choice, **others: Any) -> AnswerTable:
    """Runs a statement over the common table `chosen`, with the values of the choice."""
    chosen, values = choice.chosen()
    sql = chosen + sql
    values |= choice.values() | others
    columns, rows = run(sql, **{name: values[name] for name in set(re.findall(r"\$(\w+)", sql))})
    return AnswerTable(columns, rows)


def days_of_build(run: Run) -> dict[str, int]:
    """Returns the days after which the build calls a deal stale, and dead."""
    names = ("stale_days", "dead_days")
    _, [found] = run(f"select {', '.join(f'max({name})' for name in names)} from amocrm_staging.int_accounts")
    return dict(zip(names, map(int, found), strict=True))


def choice_of_people(
    run: Run, groups: Collection[str], managers: Collection[str], projects: Collection[str] = ()
) -> Choice:
    """Returns the last twelve months of the users who are in one of the groups and are one of the managers.

    An empty list limits nothing. Groups and managers are those of the projects' accounts; an account without any of
    them is not in the choice. Raises ValueError for a project, a group or a manager that is not there, and if nobody is
    left.
    """
    choice = last_months(run)
    if projects:
        there = [{"project_id": project} for project in choice.days]
        wanted = {row["project_id"] for one in projects for row in named("project", one, there, ("project_id",))}
        choice = replace(choice, days={project: days for project, days in choice.days.items() if project in wanted})
    if not (groups or managers):
        return choice
    everybody = answer(run, "people", choice).dicts()
    users = people_named(everybody, groups, managers, team="group")
    days = {project: days for project, days in choice.days.items() if any(project == of for of, _ in users)}
    return replace(choice, days=days, users=users, people=names_of_people(everybody, groups, managers))


def marks_of(run: Run) -> Marks:
    users = "select project_id, user_id from amocrm_staging.stg_users as users where "
    pipelines = "select project_id, pipeline_id from amocrm_staging.stg_statuses as stages where "
    found = (run(sql)[1] for sql in (users + IS_DEACTIVATED, users + IS_DOUBLE, pipelines + IS_DOUBLE_PIPELINE))
    return Marks(*(frozenset((project, number) for project, number in rows) for rows in found))


def sources_of(run: Run) -> set[str]:
    """Returns the sources that deals have."""
    return {source for (source,) in run(f"select distinct {SOURCE} from amocrm_marts.deals as deals")[1] if source}
