"""The oracle of the mart that puts verifications beside syncs and lists of ids."""

from __future__ import annotations

from datetime import datetime, timedelta

from .. import Row
from .known import Known, at

CARDS = {
    "deals": ("leads", "lead_id"), "contacts": ("contacts", "contact_id"), "companies": ("companies", "company_id"),
    "customers": ("customers", "customer_id"),
}  # fmt: skip
VERIFIED = (
    "verified_at", "is_whole", "rows_in_account", "rows_in_database", "looked_at", "missing", "extra", "stale",
    "sampled", "unequal", "unequal_columns", "changed_since", "failure",
)  # fmt: skip
CLOCKS = timedelta(minutes=5)


def completeness(known: Known) -> list[Row]:
    return [
        {"source_table": table, **_verified(known, table), **_last_sync(known, table), **_listed(known, table)}
        for table in known.present
    ]


def _verified(known: Known, table: str) -> Row:
    of_table = [row for row in known.verifications if row["source_table"] == table]
    last = max(of_table, key=lambda row: str(row["verified_at"]), default={})
    return {name: last.get(name) for name in VERIFIED} | {"verified_at": at(last.get("verified_at"))}


def _last_sync(known: Known, table: str) -> Row:
    last = max(
        (sync for sync in known.syncs if table in sync["tables"]), key=lambda sync: sync["started_at"], default=None
    )
    if last is None:
        return {"last_read_at": None, "rows_read": None}
    return {"last_read_at": at(last["started_at"]), "rows_read": last["tables"][table]}


def _listed(known: Known, table: str) -> Row:
    kind, key = CARDS.get(table, ("", ""))
    live = [row for row in known.all("live_entities") if row["entity_type"] == kind]
    if not live:
        return dict.fromkeys(("listed_at", "listed", "listed_missing", "listed_extra"))
    listed_at = max(row["listed_at"] for row in live)
    last = [row for row in live if row["listed_at"] == listed_at]
    held = {row[key] for row in known.held(table) if not row["is_deleted"]}
    oldest = min(row["updated_at"] for row in known.held(table))
    began: datetime | None = _last_sync(known, table)["last_read_at"]
    moment = at(listed_at)
    assert moment
    until = min(moment, began or moment) - CLOCKS
    missing = [
        row for row in last
        if row["entity_id"] not in held and row["updated_at"] >= oldest and (at(row["updated_at"]) or until) < until
    ]  # fmt: skip
    extra = [row for row in known.held(table) if not row["is_deleted"] and not known.is_listed(table, row)]
    return {"listed_at": moment, "listed": len(last), "listed_missing": len(missing), "listed_extra": len(extra)}
