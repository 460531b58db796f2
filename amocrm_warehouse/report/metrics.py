"""The metrics of dbt/metrics.yaml, as SQL for DuckDB and PostgreSQL alike and as data for the page.

The SQL gives each mart its own name as alias, so that a statement may join it to others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parents[1] / "dbt" / "metrics.yaml"


@dataclass(frozen=True)
class Metric:
    """The head of metrics.yaml explains each field."""

    name: str
    means: str
    of: str = ""
    day: str | None = None
    who: str = "responsible_user_id"
    when: Mapping[str, list[Any]] = field(default_factory=dict)
    sum: str | None = None
    median: str | None = None
    share: tuple[str, str] | None = None
    unit: str = "number"

    @property
    def is_average(self) -> bool:
        """Whether the metric is a share, an average or a median: then its value does not say of how many rows it is."""
        return bool(self.share or self.median)


_FILE = yaml.safe_load(FILE.read_text(encoding="utf-8"))
ROWS: Mapping[str, Mapping[str, str]] = _FILE["rows"]
METRICS = {name: Metric(**fields) for name, fields in _FILE["metrics"].items()}
MONEY = frozenset(_FILE["money"]) | {name for name, metric in METRICS.items() if metric.unit == "money"}
"""Columns of marts and metrics that are amounts: a sum of one is of one currency, which another column names."""


def column(mart: str, name: str) -> str:
    """Returns SQL of a mart's column: its name, or the expression in metrics.yaml."""
    return ROWS.get(mart, {}).get(name, f"{mart}.{name}")


def total(name: str) -> str:
    """Returns SQL of a metric: an aggregate over rows of its mart."""
    metric = METRICS[name]
    if metric.share:
        part, whole = map(total, metric.share)
        return f"cast({part} as double precision) / nullif({whole}, 0)"
    condition = " and ".join(condition_of(metric))
    if metric.median:
        value = column(metric.of, metric.median)
        value = f"case when {condition} then {value} end" if condition else value
        return f"percentile_cont(0.5) within group (order by cast({value} as double precision))"
    rows = f" filter (where {condition})" if condition else ""
    return f"coalesce(sum({column(metric.of, metric.sum)}){rows}, 0)" if metric.sum else f"count(*){rows}"


def cases(name: str) -> str:
    """Returns SQL of how many rows a metric is of: those of its whole if it is a share."""
    metric = base(METRICS[name])
    conditions = condition_of(metric)
    if metric.median:
        conditions.append(f"{column(metric.of, metric.median)} is not null")
    return f"count(*) filter (where {' and '.join(conditions)})" if conditions else "count(*)"


def base(metric: Metric) -> Metric:
    """Returns the metric whose mart, day, user and rows are those of a metric: of a share, its whole."""
    return METRICS[metric.share[1]] if metric.share else metric


def bare(mart: str, expression: str) -> str:
    """Returns SQL of one table's columns without its name."""
    return re.sub(rf"\b{mart}\.", "", expression)


def totals(*names: str) -> str:
    """Returns metrics as columns of a select, each with the metric's name."""
    return ", ".join(f"{total(name)} as {name}" for name in names)


def condition_of(metric: Metric) -> list[str]:
    """Returns the conditions, as SQL, that all hold for the rows of a metric."""
    return [_condition(metric.of, name, values) for name, values in metric.when.items()]


def _condition(mart: str, name: str, values: list[Any]) -> str:
    if values == [True]:
        return column(mart, name)
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column(mart, name)} in ({listed})" if len(values) > 1 else f"{column(mart, name)} = {listed}"


def join_deals(rows: str) -> str:
    """Returns SQL that joins the deals of tasks or conversations, for their pipelines."""
    deal = column(rows, "deal_id")
    return f"left join amocrm_marts.deals on deals.project_id = {rows}.project_id and deals.deal_id = {deal}"


def metrics_in(unit: str) -> set[str]:
    return {name for name, metric in METRICS.items() if metric.unit == unit}


def page_metrics() -> dict[str, dict[str, Any]]:
    """Returns the fields by which the page counts each metric from its own rows."""
    parts = ("of", "day", "when", "sum", "median", "share", "unit")
    return {name: {part: getattr(one, part) for part in parts if getattr(one, part)} for name, one in METRICS.items()}
