"""Three questions of a head of sales, each answered by one SQL statement over the connector's tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SqlQuestion:
    """`sql`: for DuckDB and PostgreSQL; `{t}` in it becomes the prefix of the tables' names."""

    title: str
    sql: str


FUNNEL = SqlQuestion(
    "Funnel: where deals stand, pipeline by pipeline",
    """
    SELECT s.pipeline_name AS pipeline, s.status_name AS status, count(d.lead_id) AS deals,
           CAST(coalesce(sum(d.sale), 0) AS bigint) AS budget
    FROM {t}statuses AS s
    LEFT JOIN {t}deals AS d
      ON d.pipeline_id = s.pipeline_id AND d.status_id = s.status_id AND NOT d.is_deleted
    GROUP BY s.pipeline_id, s.pipeline_name, s.pipeline_sort, s.status_id, s.status_name, s.status_sort
    ORDER BY s.pipeline_sort, s.pipeline_id, s.status_sort, s.status_id
    """,
)

SALES = SqlQuestion(
    "Sales by responsible user (142 is “won” in every pipeline, 143 “lost”)",
    """
    SELECT coalesce(u.name, '(removed user ' || d.responsible_user_id || ')') AS responsible,
           count(*) FILTER (WHERE d.status_id = 142) AS won,
           CAST(coalesce(sum(d.sale) FILTER (WHERE d.status_id = 142), 0) AS bigint) AS sales,
           round(100.0 * count(*) FILTER (WHERE d.status_id = 142)
                 / nullif(count(*) FILTER (WHERE d.status_id IN (142, 143)), 0)) AS won_of_closed_percent
    FROM {t}deals AS d
    LEFT JOIN {t}users AS u ON u.user_id = d.responsible_user_id
    WHERE NOT d.is_deleted
    GROUP BY 1
    ORDER BY sales DESC, responsible
    """,
)

LOSSES = SqlQuestion(
    "Reasons of loss",
    """
    SELECT coalesce(d.loss_reason_name, '(none given)') AS reason, count(*) AS deals,
           CAST(coalesce(sum(d.sale), 0) AS bigint) AS lost_budget,
           round(100.0 * count(*) / sum(count(*)) OVER ()) AS percent
    FROM {t}deals AS d
    WHERE d.status_id = 143 AND NOT d.is_deleted
    GROUP BY 1
    ORDER BY deals DESC, reason
    """,
)

QUESTIONS = (FUNNEL, SALES, LOSSES)


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Formats rows as text columns under their names, with numbers aligned to the right."""
    rows = list(rows)
    if not rows:
        return "  (nothing)"
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    first = rows[0].values()
    forms = [f"{'<' if isinstance(value, str) else '>'}{width}" for value, width in zip(first, widths, strict=True)]
    return "\n".join("  " + "  ".join(map(format, line, forms)).rstrip() for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:,.0f}".replace(",", " ")
