"""Which numbers are unknown because a table of the connector that they count was not read: they are null, and not 0."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from amocrm_warehouse.database import Run
from amocrm_warehouse.report.page_queries import ACTIVITY, REASONS, TOUCHES

COLUMNS_OF: dict[tuple[str, ...], tuple[str, ...]] = {
    ("calls",): ("calls_in", "calls_out", "talk_seconds", "incoming_calls", "missed_calls"),
    ("messages",): ("messages", "talks", "answered", "not_answered"),
    REASONS["waiting"]: ("waiting_now", "unanswered"),
    REASONS["untouched"]: ("oldest_working_minutes",),
    ("notes",): ("notes",),
    ("tasks",): ("tasks_done", "overdue"),
    ("deal_statuses",): ("stage_moves", "lost_here"),
    TOUCHES: (
        "first_touch", "first_touch_of", "touched", "untouched_and_open", "missed_and_left", "called_back",
        "back_after", "back_within_hour",
    ),
    ACTIVITY: ("stale", "live", "live_budget", "dead", "dead_budget"),
    ("calls", "deal_statuses", "messages", "notes", "tasks"): ("actions",),
}  # fmt: skip
COUNTED_FROM = {column: tables for tables, columns in COLUMNS_OF.items() for column in columns}
COUNTED_FROM |= REASONS
"""The tables of each column that is unknown if one of them was not read."""
ALL_ROWS_FROM = {"speed": TOUCHES, "stale": ACTIVITY}
"""The tables without which all rows of an answer are unknown."""
OF_REASONS = {table for tables in REASONS.values() for table in tables}
COUNTED_FROM["cards"] = tuple(sorted(OF_REASONS))
SOME_ROWS_FROM = {
    "today": OF_REASONS, "queue": OF_REASONS,
    "forecast": ("deal_statuses",), "goods": ("customer_transactions", "deal_catalog_elements"),
}  # fmt: skip
"""The tables of each of which an answer has rows that it lacks without it."""
Unread = frozenset[tuple[str, str]]
"""(project, table) of tables that an account does not have."""


def unread_tables(run: Run, projects: Iterable[str]) -> Unread:
    """Returns the tables that the models need and these accounts do not have."""
    _, rows = run("select project_id, source_table from amocrm_marts.freshness where not is_there")
    wanted = set(projects)
    return frozenset((project, table) for project, table in rows if project in wanted)


def unknown_columns(unread: Unread, projects: Iterable[str]) -> set[str]:
    """Returns the columns that are unknown in a row about these accounts."""
    lacking = {table for project, table in unread if project in set(projects)}
    return {column for column, tables in COUNTED_FROM.items() if lacking.intersection(tables)}


def is_listed(name: str, unread: Unread, project: str) -> bool:
    """Returns whether the rows of an answer about an account are known."""
    return not any((project, table) in unread for table in ALL_ROWS_FROM.get(name, ()))


def unread_of(name: str, columns: Iterable[str], unread: Unread, project: str) -> list[str]:
    """Returns the tables without which rows or columns of an answer about an account are unknown."""
    counted = {table for column in columns for table in COUNTED_FROM.get(column, ())}
    needed = counted.union(ALL_ROWS_FROM.get(name, ()), SOME_ROWS_FROM.get(name, ()))
    return sorted(table for of, table in unread if of == project and table in needed)


def with_unknown(row: dict[str, Any], unread: Unread, projects: Iterable[str]) -> dict[str, Any]:
    """Returns a row about accounts (its own, if it names one) with null for what is unknown."""
    unknown = unknown_columns(unread, [row["project_id"]] if "project_id" in row else projects)
    return {column: None if column in unknown else value for column, value in row.items()}
