"""What each metric of metrics.yaml is of the accounts' own rows, in Python: no SQL of the product takes part."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from amocrm_warehouse.report.metrics import METRICS, base

from .expected import Row
from .expected.marts import Known, marts


def _minutes(seconds: float | None, unit: int = 60) -> int | None:
    return None if seconds is None else math.floor(seconds / unit)


def _back(row: Row) -> float | None:
    return None if row["called_back_at"] is None else (row["called_back_at"] - row["created_at"]).total_seconds()


def _day(column: str) -> Callable[[Row], Any]:
    return lambda row: row[column] and row[column].date()


DERIVED: dict[tuple[str, str], Callable[[Row], Any]] = {
    ("deals", "created"): _day("created_at_local"),
    ("deals", "closed"): _day("ended_at_local"),
    ("deals", "days_to_win"): lambda row: (tenths := _minutes(row["seconds_to_close"], 8640)) and tenths / 10,
    ("deals", "touch_minutes"): lambda row: _minutes(row["seconds_to_first_response"]),
    ("deals", "working_touch_minutes"): lambda row: _minutes(row["working_seconds_to_first_response"]),
    ("calls", "called"): _day("created_at_local"),
    ("calls", "is_called_back"): lambda row: row["called_back_at"] is not None,
    ("calls", "back_minutes"): lambda row: _minutes(_back(row)),
    ("tasks_open", "deal_id"): lambda row: row["entity_id"] if row["entity_type"] == "deal" else None,
    ("conversations", "began"): _day("started_at_local"),
    ("conversations", "minutes"): lambda row: _minutes(row["seconds_to_first_response"]),
}
"""The columns that the key `rows` of metrics.yaml derives."""
COUNTED: dict[str, Callable[[Row], bool]] = {
    "deals": lambda row: not row["is_deleted"],
    "conversations": lambda row: row["messages_in"] > 0,
}
"""The rows that count, by mart, where not all do."""


def rows_of(*projects: Known) -> dict[str, list[Row]]:
    """Returns the rows that count of each mart with metrics, with the derived columns and their deal's own columns."""
    found = marts(*projects)
    deals = {(row["project_id"], row["deal_id"]): row for row in found["deals"]}
    rows = {}
    for mart in {metric.of for metric in METRICS.values() if metric.of}:
        derived = {name: value for (of, name), value in DERIVED.items() if of == mart}
        counted = filter(COUNTED.get(mart), found[mart]) if mart in COUNTED else found[mart]
        rows[mart] = [row | {name: value(row) for name, value in derived.items()} for row in counted]
        for row in rows[mart]:
            row["deal"] = deals.get((row["project_id"], row["deal_id"]), {})
    return rows


def number(name: str, rows: Iterable[Row]) -> float | None:
    """Returns a metric of rows of its mart; None if it is of none."""
    metric, rows = METRICS[name], list(rows)
    if metric.share:
        part, whole = (number(one, rows) for one in metric.share)
        return (part or 0) / whole if whole else None
    chosen = [row for row in rows if all(row[column] in values for column, values in metric.when.items())]
    if metric.median:
        values = [float(row[metric.median]) for row in chosen if row[metric.median] is not None]
        return median(values) if values else None
    return math.fsum(row[metric.sum] or 0 for row in chosen) if metric.sum else len(chosen)


def numbers(name: str, rows: dict[str, list[Row]], key: Callable[[Row], Any]) -> dict[Any, float]:
    """Returns a metric by groups of its rows, those alone of which it is not zero."""
    groups: dict[Any, list[Row]] = {}
    for row in rows[base(METRICS[name]).of]:
        groups.setdefault(key(row), []).append(row)
    return {group: value for group, own in groups.items() if (value := number(name, own))}
