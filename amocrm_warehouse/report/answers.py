"""The tables of the workbook, the digest and the assistant: SQL over the marts with named parameters.

Each takes a choice: an account, a pipeline, users, and the months from `since` to `until`. A table that counts by user
has the chosen users alone. The page counts the same from the same marts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from amocrm_warehouse.report.data import Run, shifted
from amocrm_warehouse.report.metrics import METRICS, ROWS, column, join_deals, total, totals
from amocrm_warehouse.report.queries import CLOCK, REASONS


@dataclass(frozen=True)
class Choice:
    """The rows that a table counts; None is all of them."""

    since: date
    """The first day of the first month."""
    until: date
    """The first day of the last month."""
    project: str | None = None
    pipeline: int | None = None
    users: frozenset[tuple[str, int]] | None = None
    """(project, user id): one person may be a user of several accounts, and chosen in one of them."""

    def values(self) -> dict[str, Any]:
        users = (
            None if self.users is None else f",{','.join(f'{project}/{user}' for project, user in sorted(self.users))},"
        )
        return {
            "since": self.since, "until": self.until,
            "project": self.project, "pipeline": self.pipeline, "users": users,
        }  # fmt: skip


def in_choice(rows: str, user: str | None = "responsible_user_id", pipeline: str | None = "pipeline_id") -> str:
    """Returns the SQL condition that a row of `rows` is of the choice."""
    conditions = [f"($project is null or {rows}.project_id = $project)"]
    if pipeline:
        conditions.append(f"($pipeline is null or {rows}.{pipeline} = $pipeline)")
    if user:
        own = f"',' || {rows}.project_id || '/' || cast({rows}.{user} as varchar) || ','"
        conditions.append(f"($users is null or position({own} in $users) > 0)")
    return " and ".join(conditions)


IN_PERIOD = "between $since and $until"
USER_NAME = "case when {id} = 0 then 'robot' else coalesce(users.name, '№ ' || cast({id} as varchar)) end"


def was_read(table: str) -> str:
    """Returns SQL of whether an account of the choice has a table of the connector."""
    own = in_choice("known", user=None, pipeline=None)
    return f"(select bool_or(is_there) from amocrm_marts.freshness as known where source_table = '{table}' and {own})"


def counts_in(metric: str, pipeline: str | None = "pipeline_id") -> str:
    """Returns the SQL condition that a row is of the choice and counts in the metric."""
    one = METRICS[metric]
    if one.share:
        return counts_in(one.share[1], pipeline)
    conditions = [where] if (where := ROWS.get(one.of, {}).get("where")) else []
    if one.day:
        conditions.append(f"{month(metric)} {IN_PERIOD}")
    return " and ".join([*conditions, in_choice(one.of, one.who, pipeline)])


def month(metric: str) -> str:
    one = METRICS[metric]
    return f"cast(date_trunc('month', {column(one.of, one.day or '')}) as date)"


OF_DEALS = "($pipeline is null or deals.pipeline_id = $pipeline)"
FIGURES = ("created", "won", "won_budget", "lost", "rate", "average", "days_to_win", "open", "open_budget")
"""The metrics of deals in the overview."""

ANSWERS: dict[str, str] = {
    "money": f"""
        select deals.project_id, {month("won")} as month, {totals("won", "won_budget", "lost", "rate", "average")}
        from amocrm_marts.deals
        where {counts_in("won")}
        group by 1, 2
        order by 1, 2
    """,
    "managers": f"""
        select
            facts.project_id, facts.user_id, max({USER_NAME.format(id="facts.user_id")}) as manager, sum(won) as won,
            sum(won_budget) as won_budget, sum(lost) as lost, max(rate) as rate, max(average) as average,
            case when facts.project_id in (
                select project_id from amocrm_marts.freshness where source_table = 'tasks' and is_there
            ) then sum(overdue) end as overdue,
            sum(stale) as stale
        from (
            select
                deals.project_id, deals.closer_id as user_id, {totals("won", "won_budget", "lost", "rate", "average")},
                0 as overdue, 0 as stale
            from amocrm_marts.deals
            where {counts_in("won")}
            group by 1, 2
            union all
            select tasks_open.project_id, tasks_open.responsible_user_id, 0, 0, 0, null, null, {total("overdue")}, 0
            from amocrm_marts.tasks_open {join_deals("tasks_open")}
            where {counts_in("overdue", None)} and {OF_DEALS}
            group by 1, 2
            union all
            select stale_deals.project_id, stale_deals.responsible_user_id, 0, 0, 0, null, null, 0, {total("stale")}
            from amocrm_marts.stale_deals
            where {counts_in("stale")}
            group by 1, 2
        ) as facts
        left join amocrm_staging.stg_users as users
            on users.project_id = facts.project_id and users.user_id = facts.user_id
        group by 1, 2
        order by won_budget desc, won desc, 1, 2
    """,
    "funnel": f"""
        select
            ways.project_id, stages.pipeline_id, stages.pipeline_name, stages.status_name as stage, stages.status_sort,
            count(*) as deals,
            count(*) filter (where case when stages.stage_kind = 'unsorted' then ways.was_unsorted
                else ways.furthest_sort >= stages.status_sort end) as reached,
            case when accounts.stages_known
                then count(*) filter (where ways.lost_from_status_id = stages.status_id) end as lost_here
        from amocrm_staging.int_deal_ways as ways
        inner join amocrm_staging.int_accounts as accounts on accounts.project_id = ways.project_id
        inner join amocrm_marts.deals as deals on deals.project_id = ways.project_id and deals.deal_id = ways.deal_id
        inner join amocrm_staging.stg_statuses as stages
            on stages.project_id = ways.project_id and stages.pipeline_id = ways.pipeline_id and stages.status_id <> 143
        where not deals.is_deleted and deals.created_month {IN_PERIOD} and {in_choice("deals", pipeline=None)}
            and ($pipeline is null or ways.pipeline_id = $pipeline)
        group by 1, 2, 3, 4, 5, stages.status_id, accounts.stages_known
        order by 1, 2, 5, stages.status_id
    """,
    "reasons": f"""
        select deals.project_id, deals.loss_reason as reason, {total("lost")} as deals, {totals("lost_budget")}
        from amocrm_marts.deals
        where {counts_in("lost")}
        group by 1, 2
        having {total("lost")} > 0
        order by 3 desc, 4 desc, 2
    """,
    "sources": f"""
        select
            deals.project_id, coalesce(deals.source_name, deals.utm_source) as source, {total("created")} as deals,
            {totals("created_won", "created_rate", "created_won_budget")}
        from amocrm_marts.deals
        where {counts_in("created")}
        group by 1, 2
        order by 3 desc, 6 desc, 2
    """,
    "stuck": f"""
        select
            deals.project_id, deals.pipeline_id,
            coalesce(deals.pipeline_name, '#' || cast(deals.pipeline_id as varchar)) as pipeline_name,
            coalesce(deals.status_name, '#' || cast(deals.status_id as varchar)) as stage,
            {total("open")} as deals, {total("open_budget")} as budget
        from amocrm_marts.deals
        where {counts_in("open")}
        group by 1, 2, 3, 4, deals.status_id
        having {total("open")} > 0
        order by 1, 2, 5 desc, 4
    """,
    "today": f"""
        select
            today.project_id, reason as why, entity_type, entity_id, entity_name as card, text,
            responsible_user_id as user_id, responsible_name as manager, pipeline_name, status_name as stage, budget,
            since_at_local, days, usual_days
        from amocrm_marts.today as today
        where {in_choice("today")}
        order by coalesce(budget, 0) desc, coalesce(days, -1) desc, entity_type, entity_id, reason, item_id
    """,
    "forecast": f"""
        select
            forecast.project_id, pipeline_id, coalesce(pipeline_name, case when pipeline_id is null then '*' end)
                as pipeline_name,
            months_back, months_ahead, month, expected, low, high, sold_so_far, from_open, from_new, sold,
            sold_month_before
        from amocrm_marts.forecast as forecast
        where (months_back = 0 or months_ahead = 0) and {in_choice("forecast", user=None)} and $users is null
        order by 1, pipeline_id is not null, 2, months_back desc, months_ahead
    """,
    "stale": f"""
        select
            stale.project_id, deal_id, name as deal, responsible_user_id as user_id, responsible_name as manager,
            pipeline_name, status_name as stage, budget, days_without_activity, open_tasks
        from amocrm_marts.stale_deals as stale
        where {in_choice("stale")}
        order by coalesce(budget, 0) desc, days_without_activity desc, deal_id
    """,
    "work": f"""
        select
            work.project_id, user_id, user_name as manager, sum(calls_out) as calls_out, sum(calls_in) as calls_in,
            sum(talk_seconds) as talk_seconds, sum(messages) as messages, sum(notes) as notes,
            sum(stage_moves) as stage_moves, sum(tasks_done) as tasks_done
        from amocrm_marts.manager_activity as work
        where {in_choice("work", "user_id", None)}
            and day >= $since and cast(date_trunc('month', day) as date) <= $until
            and calls_in + calls_out + talk_seconds + messages + notes + stage_moves + tasks_done > 0
        group by 1, 2, 3
        order by 4 desc, 9 desc, 3, 1, 2
    """,
    "talks": f"""
        select
            conversations.project_id, conversations.responsible_user_id as user_id,
            max({USER_NAME.format(id="conversations.responsible_user_id")}) as manager,
            {totals("talks", "first_response", "unanswered")}
        from amocrm_marts.conversations {join_deals("conversations")}
        left join amocrm_staging.stg_users as users
            on users.project_id = conversations.project_id and users.user_id = conversations.responsible_user_id
        where {counts_in("talks", None)} and {OF_DEALS}
        group by 1, 2
        order by 4 desc, 6 desc, 1, 2
    """,
    "figures": f"""
        select
            {
        ", ".join(f"(select {total(one)} from amocrm_marts.deals where {counts_in(one)}) as {one}" for one in FIGURES)
    },
            (
                select sum(plan) from amocrm_marts.sales_plan as plans
                where month {IN_PERIOD} and $pipeline is null and {in_choice("plans", pipeline=None)}
            ) as plan,
            (
                select sum(won_budget) from amocrm_marts.sales_plan as plans
                where month {IN_PERIOD} and $pipeline is null and {in_choice("plans", pipeline=None)}
                    and plan is not null
            ) as plan_won_budget
    """,
    "reasons_today": f"""
        select {
        ", ".join(
            f"case when {was_read(table)} then count(*) filter (where reason = '{reason}') end as {reason}"
            for reason, table in REASONS.items()
        )
    }
        from amocrm_marts.today as today
        where {in_choice("today")}
    """,
    "accounts": """
        select
            accounts.project_id, accounts.name as account, domain, currency, time_zone, max(synced_at) as synced_at,
            cast(max(built_at at time zone 'UTC' at time zone time_zone) as date) as today
        from amocrm_staging.int_accounts as accounts
        inner join amocrm_marts.freshness as freshness on freshness.project_id = accounts.project_id
        where $project is null or accounts.project_id = $project
        group by 1, 2, 3, 4, 5
        order by 1
    """,
    "people": f"""
        select users.project_id, users.user_id, users.name as manager, teams.name as team
        from amocrm_staging.stg_users as users
        left join amocrm_staging.stg_groups as teams
            on teams.project_id = users.project_id and teams.group_id = users.group_id
        where {in_choice("users", "user_id", None)}
        order by 1, 3, 2
    """,
    "pipelines": f"""
        select project_id, pipeline_id, pipeline_name, status_id, status_name as stage, stage_kind
        from amocrm_staging.stg_statuses as stages
        where {in_choice("stages", user=None)}
        order by project_id, pipeline_sort, pipeline_id, status_sort, status_id
    """,
    "deal": """
        select history.*, deals.name as deal, deals.currency
        from amocrm_marts.deal_history as history
        inner join amocrm_marts.deals as deals
            on deals.project_id = history.project_id and deals.deal_id = history.deal_id
        where history.deal_id = $deal and ($project is null or history.project_id = $project)
            and ($at is null or (from_at_local <= $at and (to_at_local > $at or to_at_local is null)))
        order by history.project_id, from_at
    """,
}


@dataclass(frozen=True)
class AnswerTable:
    columns: list[str]
    rows: list[tuple[Any, ...]]

    def dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def answer(run: Run, name: str, choice: Choice, **others: Any) -> AnswerTable:
    """Runs one of ANSWERS. Raises one of DATABASE_ERRORS if its marts are missing."""
    sql = ANSWERS[name]
    values = choice.values() | others
    columns, rows = run(sql, **{name: values[name] for name in set(re.findall(r"\$(\w+)", sql))})
    return AnswerTable(columns, rows)


def last_months(run: Run, count: int = 12) -> tuple[date, date]:
    """Returns the first days of the first and the last of `count` months, of which the last is the present one."""
    _, [(_, today, _)] = run(CLOCK)
    month = today.replace(day=1)
    return shifted(month, 1 - count), month


def people_of(run: Run, groups: Iterable[str], managers: Iterable[str]) -> frozenset[tuple[str, int]]:
    """Returns (project, user id) of the users in the groups, and of the managers, who are named by name or id.

    Raises ValueError for a group or a manager whom no account has.
    """
    found = set()
    since, until = last_months(run)
    everybody = answer(run, "people", Choice(since, until)).dicts()
    for kind, names in (("team", groups), ("manager", managers)):
        for name in names:
            own = {
                (row["project_id"], row["user_id"])
                for row in everybody
                if row[kind] == name or (kind == "manager" and str(row["user_id"]) == name)
            }
            if not own:
                known = ", ".join(sorted({row[kind] for row in everybody if row[kind]}))
                raise ValueError(
                    f"There is no {'group' if kind == 'team' else 'manager'} “{name}”. There are: {known}."
                )
            found |= own
    return frozenset(found)
