"""What the report must show of a choice, asked of the marts in statements of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import models
from .report_page import number


@dataclass(frozen=True)
class Choice:
    """A scope and a period of the report, and how the marts are asked about them."""

    database: str
    scope: str
    period: str
    first: str
    last: str

    @property
    def pipeline(self) -> str:
        return self.scope.partition("/")[2]

    @property
    def of_deal(self) -> str:
        """For what belongs to the pipeline of its deal, joined as d."""
        return f"d.pipeline_id = {self.pipeline}" if self.pipeline else "true"

    def where(self, month: str | None, prefix: str = "", pipeline: bool = True) -> str:
        project = self.scope.partition("/")[0]
        told = [f"{prefix}project_id = '{project}'"] if project else []
        if self.pipeline and pipeline:
            told.append(f"{prefix}pipeline_id = {self.pipeline}")
        if month:
            told.append(f"{month} BETWEEN DATE '{self.first}' AND DATE '{self.last}'")
        return " AND ".join(told) or "true"

    def rows(self, sql: str) -> list[list[Any]]:
        return [list(map(number, row.values())) for row in models.query(self.database, sql)]


def month_of(day: str) -> str:
    """DuckDB 1.4.3 takes the first day of the next month for one of those whose date_trunc is at most a month."""
    return f"CAST(strftime({day}, '%Y-%m-01') AS date)"


def ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def funnel(asked: Choice) -> list[list[Any]]:
    """Tables of the stages, the pipeline with the most deals first."""
    medians = {
        tuple(row[:3]): row[3]
        for row in asked.rows(f"""
            SELECT project_id, pipeline_id, status_id, median_seconds / 86400 FROM amocrm_marts.funnel
            WHERE {asked.where("cohort_month")}""" if asked.first == asked.last else f"""
            SELECT s.project_id, s.pipeline_id, s.status_id, median(s.seconds) / 86400
            FROM amocrm_marts.deal_stage_history AS s JOIN amocrm_marts.deals AS d USING (project_id, deal_id)
            WHERE NOT d.is_deleted AND {asked.where("d.created_month", "s.")} GROUP BY ALL""")
    }  # fmt: skip
    found = asked.rows(f"""
        SELECT project_id, pipeline_id, status_id, status_name, sum(reached), sum(cohort_deals), sum(lost)
        FROM amocrm_marts.funnel WHERE {asked.where("cohort_month")}
        GROUP BY project_id, pipeline_id, status_id, status_name, status_sort
        ORDER BY project_id, pipeline_id, status_sort, status_id""")
    tables: dict[tuple[Any, ...], list[Any]] = {}
    sizes: dict[tuple[Any, ...], float] = {}
    before = 0.0
    for project, pipeline, status, name, reached, cohort, lost in found:
        table = tables.setdefault((project, pipeline), [])
        previous = ratio(reached, before) if table else None
        days = medians.get((project, pipeline, status))
        table.append([name, reached, previous, ratio(reached, cohort), lost, ratio(lost, reached), days])
        sizes[project, pipeline], before = cohort, reached
    return [tables[key] for key in sorted(tables, key=lambda key: -sizes[key])]


def months(asked: Choice, this_month: str) -> list[list[Any]]:
    last = min(asked.last, this_month)
    return asked.rows(f"""
        SELECT
            strftime(m.month, '%Y-%m'), coalesce(sum(s.won), 0), coalesce(sum(s.won_budget), 0),
            coalesce(sum(s.lost), 0)
        FROM (SELECT unnest(generate_series(DATE '{asked.first}', DATE '{last}', INTERVAL 1 month)) AS month) AS m
        LEFT JOIN amocrm_marts.sales AS s ON s.month = m.month AND {asked.where(None, "s.")}
        GROUP BY m.month ORDER BY m.month""")


def managers(asked: Choice) -> list[list[Any]]:
    return asked.rows(f"""
        WITH sold AS (
            SELECT project_id, responsible_user_id, sum(won) AS won, sum(won_budget) AS budget, sum(lost) AS lost
            FROM amocrm_marts.sales WHERE {asked.where("month")} GROUP BY ALL
        ), stale AS (
            SELECT project_id, responsible_user_id, count(*) AS stale FROM amocrm_marts.stale_deals
            WHERE {asked.where(None)} GROUP BY ALL
        ), tasks AS (
            SELECT t.project_id, t.responsible_user_id, count(*) FILTER (WHERE t.is_overdue) AS overdue
            FROM amocrm_marts.tasks_open AS t LEFT JOIN amocrm_marts.deals AS d
            ON t.entity_type = 'deal' AND d.project_id = t.project_id AND d.deal_id = t.entity_id
            WHERE {asked.where(None, "t.", pipeline=False)} AND {asked.of_deal}
            GROUP BY ALL
        ), names AS (
            SELECT project_id, responsible_user_id, any_value(responsible_name) AS name
            FROM (FROM amocrm_marts.deals SELECT project_id, responsible_user_id, responsible_name UNION ALL
                  FROM amocrm_marts.tasks_open SELECT project_id, responsible_user_id, responsible_name) GROUP BY ALL
        )
        SELECT n.name, coalesce(won, 0), coalesce(budget, 0), coalesce(lost, 0), won / nullif(won + lost, 0),
            budget / nullif(won, 0), coalesce(overdue, 0), coalesce(stale, 0)
        FROM names AS n
        LEFT JOIN sold USING (project_id, responsible_user_id)
        LEFT JOIN stale USING (project_id, responsible_user_id)
        LEFT JOIN tasks USING (project_id, responsible_user_id)
        WHERE sold.project_id IS NOT NULL OR stale.project_id IS NOT NULL OR tasks.project_id IS NOT NULL""")


def reasons(asked: Choice) -> list[list[Any]]:
    return asked.rows(f"""
        SELECT loss_reason, count(*), count(*) / sum(count(*)) OVER (), coalesce(sum(budget), 0)
        FROM amocrm_marts.lost_deals WHERE {asked.where("lost_month")} GROUP BY loss_reason""")


def sources(asked: Choice) -> list[list[Any]]:
    return asked.rows(f"""
        SELECT coalesce(source_name, utm_source) AS source, sum(deals), sum(won), sum(won) / sum(deals), sum(won_budget)
        FROM amocrm_marts.attribution WHERE {asked.where("created_month")} GROUP BY source""")


def stuck(asked: Choice, now: str) -> list[list[Any]]:
    """Stages with their open deals by age; ages that there are none of in a pipeline are left out of its rows."""
    age = f"floor(date_diff('second', s.from_at, TIMESTAMP '{now}') / 86400)"
    found = asked.rows(f"""
        SELECT d.project_id, d.pipeline_id, d.status_name, count(*), coalesce(sum(d.budget), 0),
            count(*) FILTER (WHERE {age} < 7), count(*) FILTER (WHERE {age} BETWEEN 7 AND 29),
            count(*) FILTER (WHERE {age} BETWEEN 30 AND 89), count(*) FILTER (WHERE {age} >= 90),
            count(*) FILTER (WHERE s.from_at IS NULL)
        FROM amocrm_marts.deals AS d LEFT JOIN amocrm_marts.deal_stage_history AS s
        ON s.project_id = d.project_id AND s.deal_id = d.deal_id AND s.is_last
        WHERE NOT d.is_deleted AND d.stage_kind IN ('open', 'unsorted') AND {asked.where(None, "d.")}
        GROUP BY d.project_id, d.pipeline_id, d.status_id, d.status_name""")
    ages = {tuple(row[:2]): set[int]() for row in found}
    for row in found:
        ages[tuple(row[:2])] |= {place for place in range(5, 10) if row[place]}
    return [[row[2], *(row[place] for place in sorted(ages[tuple(row[:2])])), *row[3:5]] for row in found]


def stale(asked: Choice) -> list[list[Any]]:
    return asked.rows(f"""
        SELECT name, pipeline_name, status_name, responsible_name, budget, days_without_activity, open_tasks
        FROM amocrm_marts.stale_deals WHERE {asked.where(None)}
        ORDER BY coalesce(budget, 0) DESC, days_without_activity DESC, deal_id LIMIT 20""")


def hours(asked: Choice) -> dict[tuple[int, int], float]:
    found = asked.rows(f"""
        SELECT isodow(t.touched_at_local) - 1, hour(t.touched_at_local), count(*)
        FROM amocrm_staging.int_touches AS t LEFT JOIN amocrm_marts.deals AS d
        ON t.entity_type = 'deal' AND d.project_id = t.project_id AND d.deal_id = t.entity_id
        WHERE t.person IS NOT NULL AND {asked.where(month_of("t.touched_at_local"), "t.", pipeline=False)}
          AND {asked.of_deal}
        GROUP BY ALL""")
    return {(int(weekday), int(hour)): count for weekday, hour, count in found}


def work(asked: Choice) -> list[list[Any]]:
    return asked.rows(f"""
        SELECT
            user_name, sum(calls_out), sum(calls_in), sum(talk_seconds), sum(messages), sum(notes), sum(stage_moves),
            sum(tasks_done)
        FROM amocrm_marts.manager_activity WHERE {asked.where(month_of("day"), pipeline=False)}
        GROUP BY project_id, user_id, user_name
        HAVING sum(calls_out + calls_in + talk_seconds + messages + notes + stage_moves + tasks_done) > 0""")


def figures(asked: Choice) -> dict[str, Any]:
    [[won, budget, lost]] = asked.rows(f"""
        SELECT coalesce(sum(won), 0), coalesce(sum(won_budget), 0), coalesce(sum(lost), 0)
        FROM amocrm_marts.sales WHERE {asked.where("month")}""")
    [[created]] = asked.rows(f"""
        SELECT coalesce(sum(deals), 0) FROM amocrm_marts.attribution WHERE {asked.where("created_month")}""")
    [[cycle]] = asked.rows(f"""
        SELECT median(seconds_to_close) / 86400 FROM amocrm_marts.deals
        WHERE stage_kind = 'won' AND NOT is_deleted AND {asked.where("closed_month")}""")
    [[opened]] = asked.rows(f"""
        SELECT count(*) FROM amocrm_marts.deals
        WHERE stage_kind IN ('open', 'unsorted') AND NOT is_deleted AND {asked.where(None)}""")
    shown = {
        "created": created, "won": won, "won_budget": budget, "rate": ratio(won, won + lost),
        "average": ratio(budget, won), "cycle": cycle, "open": opened,
    }  # fmt: skip
    return {name: number(value) for name, value in shown.items()}
