"""What left without a trace is in no model once it was missed in a list of what is there, and only then."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import duckdb

from . import models
from .connector import messages
from .destination import Destination, Own, Row
from .sandbox import NOW, Account, ManualClock, Sandbox, Switches, writes

CARDS = {"deals": "leads", "contacts": "contacts", "companies": "companies", "customers": "customers"}
STREAMS = ["account", "statuses", "users", *CARDS, "deal_contacts", "deal_statuses", "deleted_entities", "events"]
NEXT_SYNC = 3_600


def at(second: float) -> str:
    return datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def sync(account: Account, destination: Destination) -> None:
    assert destination.take(messages(Sandbox(account), [*STREAMS, "live_entities"], destination.state()))


def store(database: str, project: str, tables: Mapping[str, Mapping[Own, Row]], first: Mapping[str, list[int]]) -> None:
    """As destinations do, with the moment when each row was read: earlier for those of the `first` sync."""
    models.store(database, project, {name: rows.values() for name, rows in tables.items()}, "duckdb")
    with closing(duckdb.connect(database)) as connection:
        for name, ids in first.items():
            table, key = (
                f"amocrm.amocrm_{project}_{name}",
                f"{CARDS[name].removesuffix('s').replace('companie', 'company')}_id",
            )
            connection.execute(f"ALTER TABLE {table} ADD COLUMN _airbyte_extracted_at TIMESTAMP")
            connection.execute(f"UPDATE {table} SET _airbyte_extracted_at = '{at(NOW + 2 * NEXT_SYNC)}'")
            connection.execute(
                f"UPDATE {table} SET _airbyte_extracted_at = '{at(NOW)}' WHERE list_contains($1, {key})", [ids]
            )


def test_a_silent_merge_and_a_silent_purge(tmp_path: Path) -> None:
    clock = ManualClock()
    account = Account.generate(5, 150, clock=clock, switches=Switches(merged_carries="survivor"))
    destination = Destination()
    sync(account, destination)
    before = {name: dict(destination.rows[name]) for name in CARDS}
    clock.advance(NEXT_SYNC)

    gone = {}
    for name, kind in CARDS.items():
        ids = sorted(account.tables[kind].rows)
        assert len(ids) > 4, kind
        first, second, third, trashed, edited = ids[:5]
        if kind == "customers":
            writes.vanish(account, kind, second)
        else:
            writes.merge(account, kind, first, second)
        writes.vanish(account, kind, third)
        writes.trash(account, kind, trashed)
        writes.edit(account, kind, edited, name="edited")
        gone[name] = {second, third}
    clock.advance(NEXT_SYNC)
    sync(account, destination)
    writes.create_lead(account)
    late = writes.create_lead(account)
    writes.vanish(account, "leads", late)

    tables = {name: destination.rows.get(name, {}) for name in [*STREAMS, "live_entities"]}
    old = {name: [own for (own,), row in tables[name].items() if before[name].get((own,)) is row] for name in CARDS}
    assert all(gone[name] <= set(old[name]) for name in CARDS)
    database = str(tmp_path / "crm.duckdb")
    store(database, "1001", tables, old)
    store(database, "1002", {name: rows for name, rows in tables.items() if name != "live_entities"}, old)
    store(database, "1003", {**tables, "live_entities": {}}, old)
    store(database, "1004", tables, {})
    models.build(database, "--project", "1001,1002,1003,1004")
    for name in CARDS:
        mart, key = (name, f"{name[:-1]}_id") if name != "companies" else (name, "company_id")
        mart = {"customers": "customers_ltv"}.get(mart, mart)
        found = {
            project: {
                int(row[key])
                for row in models.query(database, f"SELECT * FROM amocrm_marts.{mart} WHERE project_id = '{project}'")
            }
            for project in ("1001", "1002", "1003", "1004")
        }
        everything = {own for (own,) in tables[name]}
        if name == "customers":
            everything -= {own for (own,), row in tables[name].items() if row["is_deleted"]}
        assert found["1001"] == everything - gone[name], name
        assert found["1002"] == found["1003"] == found["1004"] == everything, name
