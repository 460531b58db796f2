"""The metrics of dbt/metrics.yaml: as SQL for DuckDB and PostgreSQL alike, and as data that the page counts by.

In SQL each mart goes by its own name, so that a statement may join it to others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parents[1] / "dbt" / "metrics.yaml"


@dataclass(frozen=True)
class Metric:
    """The file says what each field is."""

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


_FILE = yaml.safe_load(FILE.read_text(encoding="utf-8"))
ROWS: Mapping[str, Mapping[str, str]] = _FILE["rows"]
METRICS = {name: Metric(**told) for name, told in _FILE["metrics"].items()}


def column(mart: str, name: str) -> str:
    """A column of a mart: its name, or the expression that the file gives for it."""
    return ROWS.get(mart, {}).get(name, f"{mart}.{name}")


def total(name: str) -> str:
    """The metric's aggregate over rows of its mart."""
    metric = METRICS[name]
    if metric.share:
        part, whole = map(total, metric.share)
        return f"cast({part} as double precision) / nullif({whole}, 0)"
    fits = " and ".join(_holds(metric.of, one, values) for one, values in metric.when.items())
    if metric.median:
        value = column(metric.of, metric.median)
        value = f"case when {fits} then {value} end" if fits else value
        return f"percentile_cont(0.5) within group (order by cast({value} as double precision))"
    kept = f" filter (where {fits})" if fits else ""
    return f"coalesce(sum({column(metric.of, metric.sum)}){kept}, 0)" if metric.sum else f"count(*){kept}"


def totals(*names: str) -> str:
    """Columns of a select, each by its metric's name."""
    return ", ".join(f"{total(name)} as {name}" for name in names)


def _holds(mart: str, name: str, values: list[Any]) -> str:
    if values == [True]:
        return column(mart, name)
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column(mart, name)} in ({listed})" if len(values) > 1 else f"{column(mart, name)} = {listed}"


def to_deals(rows: str) -> str:
    """Joins the deal of a task or a conversation, which tells the pipeline."""
    deal = column(rows, "deal_id")
    return f"left join amocrm_marts.deals on deals.project_id = {rows}.project_id and deals.deal_id = {deal}"


def of_unit(unit: str) -> set[str]:
    return {name for name, metric in METRICS.items() if metric.unit == unit}


def for_the_page() -> dict[str, dict[str, Any]]:
    """How the page counts each metric of its own rows."""
    parts = ("when", "sum", "median", "share", "unit")
    return {name: {part: getattr(one, part) for part in parts if getattr(one, part)} for name, one in METRICS.items()}
