"""`make docs`: writes docs/formulas.md, the metrics in the words of Metabase, DataLens and Power BI."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from amocrm_warehouse.dashboards.rows_of_marts import datasets
from amocrm_warehouse.report.metrics import METRICS, Metric

PAGE = Path(__file__).resolve().parent / "formulas.md"
HEAD = """\
# Metrics in Metabase, DataLens and Power BI · Показатели в Metabase, DataLens и Power BI

`make docs` writes this page from `metrics.yaml`; do not edit it by hand. None of these tools was run here: see
[the guide](guides/bi.md). A formula is of a dataset, whose SQL `source-amocrm dashboards --out folder` writes into
`folder/datasets/amocrm/`. The period filters the dataset's column `day`.

Эту страницу пишет `make docs` из `metrics.yaml`; руками её не правят. Ни один из этих инструментов здесь не
запускался: см. [руководство](guides/bi.ru.md). Формула относится к датасету; его SQL записывает
`source-amocrm dashboards --out folder` в `folder/datasets/amocrm/`. Период фильтрует столбец датасета `day`.

| metric | dataset | Metabase | DataLens | Power BI |
| --- | --- | --- | --- | --- |
"""
Formula = Callable[[Metric, str], str]


def page() -> str:
    rows = []
    for name, metric in METRICS.items():
        own = next(one for one, dataset in datasets().items() if name in dataset.measures)
        told = [_shared(metric, own, *tool) for tool in TOOLS]
        rows.append(f"| **`{name}`** | `{own}` | {' | '.join(f'`{formula}`' for formula in told)} |\n")
    return HEAD + "".join(rows)


def _shared(metric: Metric, of: str, formula: Formula, share: str) -> str:
    if metric.share:
        part, whole = (formula(METRICS[name], of) for name in metric.share)
        return share.format(part, whole)
    return formula(metric, of)


def _metabase(metric: Metric, _: str) -> str:
    def said(column: str) -> str:
        return f"[{column.replace('_', ' ').title()}]"

    conditions = " AND ".join(
        f"({' OR '.join(each)})" if len(each) > 1 else each[0]
        for name, values in metric.when.items()
        if (each := [f"{said(name)} = {_literal(value, 'true')}" for value in values])
    )
    if metric.median:
        return f"Median(case({conditions}, {said(metric.median)}))" if conditions else f"Median({said(metric.median)})"
    if metric.sum:
        return f"SumIf({said(metric.sum)}, {conditions})" if conditions else f"Sum({said(metric.sum)})"
    return f"CountIf({conditions})" if conditions else "Count"


def _datalens(metric: Metric, _: str) -> str:
    conditions = " AND ".join(
        f"[{name}] IN ({', '.join(map(_literal, values))})" if len(values) > 1 else f"[{name}] = {_literal(values[0])}"
        for name, values in metric.when.items()
    )
    if metric.median:
        return f"MEDIAN(IF({conditions}, [{metric.median}], NULL))" if conditions else f"MEDIAN([{metric.median}])"
    if metric.sum:
        return f"SUM_IF([{metric.sum}], {conditions})" if conditions else f"SUM([{metric.sum}])"
    return f"COUNT_IF({conditions})" if conditions else "COUNT()"


def _power_bi(metric: Metric, of: str) -> str:
    conditions = [
        f"{of}[{name}] IN {{{', '.join(_literal(value, 'TRUE()') for value in values)}}}"
        for name, values in metric.when.items()
    ]
    counted = f"COUNTROWS({of})"
    if metric.median or metric.sum:
        counted = f"{'MEDIAN' if metric.median else 'SUM'}({of}[{metric.median or metric.sum}])"
    return f"CALCULATE({', '.join([counted, *conditions])})" if conditions else counted


def _literal(value: Any, true: str = "TRUE") -> str:
    """Returns a value as text. `true`: what the tool calls true; no metric counts what is false."""
    return true if value is True else f'"{value}"'


TOOLS: tuple[tuple[Formula, str], ...] = (
    (_metabase, "{} / {}"),
    (_datalens, "{} / {}"),
    (_power_bi, "DIVIDE({}, {})"),
)

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
