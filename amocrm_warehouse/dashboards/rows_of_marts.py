"""The rows that dashboards count: those of a mart, with the columns by which all of them are filtered and grouped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from amocrm_warehouse.report.metrics import METRICS, ROWS, Metric, bare, base, column, join_deals, total
from amocrm_warehouse.report.page_queries import SOURCE
from amocrm_warehouse.report.workbook import PATHS

FOLDER = Path(__file__).resolve().parent
OF_DEALS = ("conversations", "tasks_open", "calls", "queue")
"""Marts whose rows have a deal, or none: the pipeline and the source are the deal's."""
WHO = {
    "responsible_user_id": "responsible_name", "closer_id": "closer_name", "manager_id": "manager_name",
    "user_id": "user_name",
}  # fmt: skip
"""The column of a user's name by that of the user."""


@dataclass(frozen=True)
class Measure:
    """What a chart counts. name, means: English | Russian. `sql`: an aggregate over the dataset's rows."""

    name: str
    means: str
    sql: str
    unit: str


@dataclass(frozen=True)
class Dataset:
    """Rows of a mart. The head of dashboards.yaml explains each field."""

    title: str
    of: str
    day: str | None = None
    where: str | None = None
    metrics: Mapping[str, Mapping[str, str]] | None = None

    @property
    def measures(self) -> dict[str, Measure]:
        """The metrics of metrics.yaml whose mart and day these are, then the dataset's own."""
        named = {
            name: Measure(metric.name, metric.means, bare(self.of, total(name)), metric.unit)
            for name, metric in METRICS.items()
            if self._counts(metric)
        }
        own = {name: Measure(means="", **one) for name, one in (self.metrics or {}).items()}
        return named | own

    def _counts(self, metric: Metric) -> bool:
        counted = base(metric)
        return (counted.of, counted.day) == (self.of, self.day)

    @property
    def columns(self) -> dict[str, str]:
        """SQL of each column by its name: the shared ones, the day, the card, and those of the mart."""
        own = _columns()[self.of]
        found = {name: f"{self.of}.{name}" for name in own}
        found |= {name: sql for name, sql in ROWS.get(self.of, {}).items() if name != "where"}
        found["account"] = "accounts.name"
        if self.day:
            found["day"] = f"cast({column(self.of, self.day)} as date)"
        if manager := self._manager(own):
            found["manager"] = f"{self.of}.{manager}"
        deals = "deals" if self.of in ("deals", *OF_DEALS) else None
        if deals or "pipeline_name" in own:
            found["pipeline"] = f"{self.of if 'pipeline_name' in own else deals}.pipeline_name"
        if deals or "source_name" in own:
            found["source"] = SOURCE if deals else SOURCE.replace("deals.", f"{self.of}.")
        if card := self._card(own):
            found["card"] = card
        return found

    def _manager(self, own: list[str]) -> str | None:
        """Returns the column of the name of the user for whom the metrics count."""
        counted = [WHO[metric.who] for metric in METRICS.values() if self._counts(metric) and not metric.share]
        return next((name for name in (*counted, *WHO.values()) if name in own), None)

    def _card(self, own: list[str]) -> str | None:
        """Returns SQL of the card's name as a link to the card in amoCRM, or None if a row has none."""
        if "entity_name" in own:
            name, kind, number = (f"{self.of}.entity_{part}" for part in ("name", "type", "id"))
            paths = " ".join(f"when '{one}' then '{path}'" for one, path in PATHS.items())
            path = f"case {kind} {paths} end"
        elif "deal_id" in own:
            title = next(one for one in ("name", "deal_name") if one in own)
            name, number, path = f"{self.of}.{title}", f"{self.of}.deal_id", f"'{PATHS['deal']}'"
        else:
            return None
        text = f"coalesce(nullif({name}, ''), '№ ' || {number})"
        for character, code in {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}.items():
            text = f"replace({text}, '{character}', '{code}')"
        address = f"'https://' || accounts.domain || '/' || {path} || '/detail/' || {number}"
        return f"coalesce('<a href=\"' || {address} || '\" target=\"_blank\">' || {text} || '</a>', {text})"

    def sql(self, marts: str) -> str:
        """Returns the SELECT of the rows. `marts`: the schema of the marts."""
        listed = ",\n".join(f"  {sql} as {name}" for name, sql in self.columns.items())
        conditions = [condition for condition in (ROWS.get(self.of, {}).get("where"), self.where) if condition]
        lines = [
            f"select\n{listed}",
            f"from amocrm_marts.{self.of}",
            f"inner join amocrm_marts.accounts on accounts.project_id = {self.of}.project_id",
            *self._join(),
            *([f"where {' and '.join(conditions)}"] if conditions else []),
        ]
        return "\n".join(lines).replace("amocrm_marts.", f"{marts}.")

    def _join(self) -> Iterator[str]:
        if self.of == "queue":
            yield (
                "left join amocrm_marts.deals on deals.project_id = queue.project_id "
                "and queue.entity_type = 'deal' and deals.deal_id = queue.entity_id"
            )
        elif self.of in OF_DEALS:
            yield join_deals(self.of)


@cache
def _columns() -> dict[str, list[str]]:
    models = yaml.safe_load((FOLDER.parent / "dbt" / "models.yaml").read_text(encoding="utf-8"))
    return {name: model["columns"] for name, model in models.items()}


@cache
def definitions() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "dashboards.yaml").read_text(encoding="utf-8")))


def datasets() -> dict[str, Dataset]:
    return {name: Dataset(**fields) for name, fields in definitions()["datasets"].items()}
