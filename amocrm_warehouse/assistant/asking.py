"""What a tool asks: one choice of rows, the marts that hold them, and what of them is unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from amocrm_warehouse.assistant.assistant_queries import QUERIES
from amocrm_warehouse.assistant.card_queries import CARD_QUERIES
from amocrm_warehouse.database import Run
from amocrm_warehouse.report.answers import ANSWERS, select
from amocrm_warehouse.report.choice import Choice, Marks
from amocrm_warehouse.report.page_queries import needs
from amocrm_warehouse.report.unread_tables import ALL_ROWS_FROM, unknown_columns, with_unknown
from amocrm_warehouse.report.workbook import link

Row = dict[str, Any]
ALL = ANSWERS | QUERIES | CARD_QUERIES


class Missing(Exception):
    """A sentence about what a table of the answer needs and the marts do not have."""


@dataclass(frozen=True)
class Asking:
    """Asks the marts for the rows of one choice."""

    run: Run
    choice: Choice
    before: Choice | None
    accounts: dict[str, Row]
    """Domain, time zone and other facts of each account, by project."""
    present: frozenset[str]
    unread: frozenset[tuple[str, str]]
    """(project, table) of the connector's tables that the tool needs and the account does not have."""
    values: dict[str, Any]
    limit: int
    built_at: datetime
    """When the marts were built (UTC)."""
    marks: Marks
    free_select: Callable[[str, int], list[Row]]
    """Runs one SELECT that an assistant wrote."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """The values of a list's filters by tag, own field and stage, in amoCRM's letters."""
    only: frozenset[tuple[str, int]] | None = None
    """(project, user id) of the users whose cards alone may be seen; None: all."""
    statements: dict[str, str] = field(default_factory=dict)
    """The statements that were run, by the name of the query."""

    @property
    def kind(self) -> str:
        """The kind of the card asked for."""
        return str(self.values.get("kind") or "deal")

    @property
    def id(self) -> int:
        """The id of the card asked for."""
        return int(self.values["id"])

    @property
    def is_seen(self) -> bool:
        """Whether the card asked for is there, and may be seen."""
        return bool(self.rows(f"card_{self.kind}", id=self.id))

    def rows(self, name: str, choice: Choice | None = None, **others: Any) -> list[Row]:
        """Returns the rows of a query, those of deactivated users with `is_deactivated`; names that two users or two
        pipelines of an account have end with the id. Raises Missing."""
        self.check(needs(ALL[name]))
        self.statements[name] = ALL[name]
        rows = select(self.run, ALL[name], choice or self.choice, **others).dicts()
        return [self._told(row) for row in rows]

    def _told(self, row: Row) -> Row:
        told = {
            name: self.marks.manager({**row, "manager": row[name], "user_id": row[number]})
            for name, number in (("manager", "user_id"), ("manager_at_closing", "closer_id"))
            if {name, number} <= row.keys()
        }
        if {"pipeline_name", "pipeline_id"} <= row.keys():
            told["pipeline_name"] = self.marks.pipeline(row)
        is_deactivated = (row.get("project_id"), row.get("user_id")) in self.marks.deactivated
        return row | told | ({"is_deactivated": True} if is_deactivated else {})

    def check(self, models: set[str]) -> None:
        """Raises Missing for models that the last build did not make."""
        if absent := models - self.present:
            raise Missing(
                f"the last build made no {', '.join(sorted(absent))}. Build the models: source-amocrm models."
            )

    def with_unknown(self, row: Row) -> Row:
        """Returns a row with null for what its accounts' tables do not show: those of its project, or its currency."""
        projects = [row["project_id"]] if "project_id" in row else [
            project for project, one in self.accounts.items() if one["currency"] == row.get("currency")
        ]  # fmt: skip
        if row.get("figure") in unknown_columns(self.unread, projects):
            return {name: value if name in ("currency", "figure") else None for name, value in row.items()}
        return with_unknown(row, self.unread, projects)

    def known(self, name: str, rows: list[Row]) -> list[Row]:
        """Returns the rows of an answer about accounts of which they are known. Raises Missing if there is no such."""
        lacking = self.lacking(ALL_ROWS_FROM[name])
        return [row for row in rows if not lacking[row["project_id"]]]

    def lacking(self, tables: Iterable[str]) -> dict[str, list[str]]:
        """Returns those of the tables that each account does not have. Raises Missing if each lacks some."""
        lacking = {project: [table for table in tables if (project, table) in self.unread] for project in self.accounts}
        if all(lacking.values()):
            absent = "; ".join(f"{', '.join(names)} of {project}" for project, names in lacking.items())
            raise Missing(f"these tables were not read: {absent}. Read them, and build the models anew.")
        return lacking

    def link(self, row: Row, kind: str | None = "deal", number: str = "deal_id") -> str | None:
        return link(self.accounts[row["project_id"]]["domain"], kind, row[number])

    def moments(self) -> dict[str, datetime]:
        """Returns the moment asked for by each account's clock, without its zone; empty for all times."""
        at = self.values.get("at")
        return {project: local_moment(at, one["time_zone"]) for project, one in self.accounts.items()} if at else {}


def local_moment(at: datetime, zone: str) -> datetime:
    """Returns a moment by the clock of a time zone. One without a zone already is by this clock."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) if at.tzinfo else at


def share(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole and part is not None else None


def with_links(name: str, **others: str) -> Callable[[Asking], list[Row]]:
    """Returns a function that adds the link of each deal; `others`: parameters from arguments."""

    def rows(ask: Asking) -> list[Row]:
        found = ask.rows(name, **{parameter: ask.values.get(one) for parameter, one in others.items()})
        return [row | {"link": ask.link(row)} for row in found]

    return rows
