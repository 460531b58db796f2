"""Checks columns that a stream looks up in another list against the values that this list has shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox import Account

from . import expected
from .destination import Key, Row

LOST = 143
Shown = list[tuple[float, Any]]
"""The values that were shown, each with the time since when, in order of time."""


@dataclass
class LookupHistory:
    """The names of companies (None while a company is gone) and the deals' reasons of loss (None while not lost).

    `record` must be called before each request is answered.
    """

    names: dict[int, Shown] = field(default_factory=dict)
    reasons: dict[int, Shown] = field(default_factory=dict)

    def record(self, account: Account) -> None:
        names = {company["id"]: company["name"] for company in account.tables["companies"]}
        reasons = {lead["id"]: lead["loss_reason_id"] for lead in account.tables["leads"] if lead["status_id"] == LOST}
        for seen, now in ((self.names, names), (self.reasons, reasons)):
            for row_id in seen.keys() | now.keys():
                shown = seen.setdefault(row_id, [])
                if not shown or shown[-1][1] != now.get(row_id):
                    shown.append((account.clock.time(), now.get(row_id)))

    def problems(self, account: Account, tables: Mapping[str, Mapping[Key, Row]]) -> list[str]:
        """Returns the rows whose value was not shown at any time when it could be read."""
        found = []
        for contact in expected.table(account, "contacts"):
            row = tables.get("contacts", {}).get((contact["contact_id"],))
            if row and row["company"] == contact["company"] is not None:
                # a company that came and went between two requests was never shown
                names = {name for _, name in self.names.get(row["company"], ())} or {None}
                if row["company_name"] not in names:
                    found.append(f"contacts {row['contact_id']}: company_name {row['company_name']!r}, not of {names}")
        losses = {
            event.id: event.created_at
            for event in account.events
            if event.type == "lead_status_changed" and event.value_after[0]["lead_status"]["id"] == LOST
        }
        for move in expected.table(account, "deal_statuses"):
            row = tables.get("deal_statuses", {}).get((move["note_id"],))
            if row and move["loss_reason_id"] is not None:
                reasons = _since(self.reasons[move["lead_id"]], losses[move["note_id"]])
                if row["loss_reason_id"] not in reasons:
                    got = row["loss_reason_id"]
                    found.append(f"deal_statuses {row['note_id']}: loss_reason_id {got}, not of {reasons}")
        return found


def _since(shown: Shown, second: int) -> set[Any]:
    """Returns the value that was shown at the end of that second, and all later ones."""
    before = [value for at, value in shown if at < second + 1][-1:]
    return {*before, *(value for at, value in shown if at >= second + 1)}
