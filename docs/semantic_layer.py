"""`make docs`: writes dbt's semantic models and metrics (semantic.yml) from metrics.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from amocrm_warehouse.assistant import assistant_queries
from amocrm_warehouse.dashboards.rows_of_marts import WHO, datasets
from amocrm_warehouse.report import answers, page_queries
from amocrm_warehouse.report.metrics import METRICS, ROWS, Metric, bare, base, column, condition_of
from amocrm_warehouse.report.page_queries import SOURCE
from docs.describe_models import HOME, node

PAGE = HOME / "models" / "semantic.yml"
PREFIX = "amocrm_"
"""Of the names of metrics and semantic models, so that `won` may be a metric of the user's project."""
ENTITIES = {
    ("deals", "created"): ("created_deal", "deal_id"),
    ("deals", "closed"): ("closed_deal", "deal_id"),
    ("deals", None): ("deal", "deal_id"),
    ("tasks_open", None): ("task", "task_id"),
    ("conversations", "began"): ("conversation", "talk_id"),
    ("conversations", None): ("conversation_now", "talk_id"),
    ("calls", "called"): ("call", "note_id"),
}
"""The entity of a semantic model and its column, by the mart and the day of its metrics."""
DAYS = {
    "deals": "created_at_local", "tasks_open": "due_at_local",
    "conversations": "started_at_local",
}  # fmt: skip
"""The day of metrics of the present moment, which dbt wants one of, too."""


def text() -> str:
    note = "# Written by `make docs` from metrics.yaml; do not edit it by hand.\n"
    made = {
        "version": 2, "semantic_models": [*_semantic_models()], "metrics": [*_metrics()], "exposures": [*_exposures()],
    }  # fmt: skip
    return note + yaml.safe_dump(made, allow_unicode=True, sort_keys=False, width=120)


def _semantic_models() -> Iterator[dict[str, Any]]:
    for (mart, day), (entity, number) in ENTITIES.items():
        counted = {name: one for name, one in METRICS.items() if (one.of, one.day) == (mart, day)}
        who = next(iter(counted.values())).who
        moment = column(mart, day) if day else f"cast({mart}.{DAYS[mart]} as date)"
        yield {
            "name": f"{PREFIX}{entity}s",
            "description": _of_deals(mart, day),
            "model": f"ref('{node(mart)}')",
            **_enabled(mart),
            "defaults": {"agg_time_dimension": "on_day"},
            "entities": [
                {"name": entity, "type": "primary", "expr": f"project_id || '-' || {number}"},
                *([] if entity == "deal" else _deal(mart)),
                {"name": "account", "type": "foreign", "expr": "project_id"},
                {"name": "user", "type": "foreign", "expr": who},
            ],
            "dimensions": [
                {
                    "name": "on_day",
                    "type": "time",
                    "expr": bare(mart, moment),
                    "type_params": {"time_granularity": "day"},
                },
                {"name": "project", "type": "categorical", "expr": "project_id"},
                {"name": "manager", "type": "categorical", "expr": WHO[who]},
                *(_of_deal() if mart == "deals" else ()),
            ],
            "measures": [*_measures(mart, counted)],
        }


def _of_deals(mart: str, day: str | None) -> str:
    when = "by the day of the metrics" if day else f"as it is now; its day is that of {DAYS[mart]}"
    return f"The mart {mart}, {when}."


def _enabled(mart: str) -> dict[str, Any]:
    """A model that a var leaves out has no metrics either."""
    return {"config": {"enabled": "{{ var('conversations', true) }}"}} if mart == "conversations" else {}


def _deal(mart: str) -> list[dict[str, Any]]:
    """The deal of a row, whose pipeline, source and currency group it."""
    return [{"name": "deal", "type": "foreign", "expr": bare(mart, f"project_id || '-' || {column(mart, 'deal_id')}")}]


def _of_deal() -> Iterator[dict[str, Any]]:
    for name, expression in {
        "pipeline": "pipeline_name",
        "source": bare("deals", SOURCE),
        "currency": "currency",
    }.items():
        yield {"name": name, "type": "categorical", "expr": expression}


def _measures(mart: str, counted: dict[str, Metric]) -> Iterator[dict[str, Any]]:
    for name, metric in counted.items():
        conditions = [*filter(None, [ROWS.get(mart, {}).get("where")]), *condition_of(metric)]
        value, other = "1", " else 0"
        if metric.sum:
            value = f"coalesce({column(mart, metric.sum)}, 0)"
        if metric.median:
            value, other = f"cast({column(mart, metric.median)} as double precision)", ""
        yield {
            "name": f"{PREFIX}{name}",
            "agg": "median" if metric.median else "sum",
            "expr": bare(mart, f"case when {' and '.join(conditions) or 'true'} then {value}{other} end"),
        }


def _metrics() -> Iterator[dict[str, Any]]:
    for name, metric in METRICS.items():
        own = f"{PREFIX}{name}"
        counted: dict[str, Any] = {"measure": own}
        if metric.share:
            part, whole = metric.share
            counted = {"numerator": f"{PREFIX}{part}", "denominator": f"{PREFIX}{whole}"}
        told = (
            " · ".join(metric.means.split(" | "))
            .replace("{stale_days}", "stale_days")
            .replace("{dead_days}", "dead_days")
        )
        yield {
            "name": own,
            "label": metric.name.partition(" | ")[0],
            "description": told,
            "type": "ratio" if metric.share else "simple",
            "type_params": counted,
            **_enabled(base(metric).of),
        }


USES = {
    "page": ("dashboard", "The report, a page and a picture", page_queries.QUERIES),
    "workbook": ("analysis", "The workbook and the digest", answers.ANSWERS),
    "assistant": ("application", "source-amocrm mcp", assistant_queries.QUERIES),
    "dashboards": (
        "dashboard",
        "The dashboards for Superset",
        {name: one.sql("amocrm_marts") for name, one in datasets().items()},
    ),
}
"""What reads the models: its kind, its title, and its queries."""


def _exposures() -> Iterator[dict[str, Any]]:
    """What is made of the models. A model that a var may leave out is not named: dbt would refuse the project."""
    there = {path.stem: path.read_text(encoding="utf-8") for path in (HOME / "models").rglob("*.sql")}
    for name, (kind, title, queries) in USES.items():
        read = {node(table) for query in queries.values() for table in page_queries.needs(query)}
        always = sorted(one for one in read if one in there and "enabled=" not in there[one])
        yield {
            "name": f"{PREFIX}{name}",
            "label": title,
            "type": kind,
            "owner": {"name": "source-amocrm"},
            "config": {"enabled": "{{ var('exposures', true) }}"},
            "depends_on": [f"ref('{one}')" for one in always],
        }


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
