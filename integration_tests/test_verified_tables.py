"""What `source-amocrm verify` requests, and that it reads tables which Airbyte's PostgreSQL destination wrote."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timezone
from math import ceil
from pathlib import Path
from typing import Any, cast

import psycopg

from amocrm_warehouse.verify.findings import Verification
from amocrm_warehouse.verify.rows_looked_at import IDS_A_REQUEST
from amocrm_warehouse.verify.verify_command import verify
from sandbox import Account, ManualClock, Sandbox, writes
from testing import expected, models, postgres
from testing.connector import config, without_sockets
from testing.expected import tombstones

PROJECT = "1001"
IDS_A_PAGE = 250


def verified(
    account: Account, tmp_path: Path, database: str, requests: int = 500, **options: Any
) -> tuple[Verification, Sandbox]:
    sandbox = Sandbox(account)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config(sandbox)), encoding="utf-8")
    path.chmod(0o600)
    with without_sockets(sandbox):
        return verify(path, database, PROJECT, requests=requests, kept=False, no_sync=True, **options), sandbox


def advance(account: Account) -> None:
    """Moves the account's clock on, so that nothing in it has changed since its sync began."""
    assert isinstance(account.clock, ManualClock)
    account.clock.advance(600)


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def tables_of(account: Account) -> dict[str, list[dict[str, Any]]]:
    tables = expected.tables(account)
    for name, rows in tombstones(account).items():
        tables[name] = [*tables[name], *rows]
    return tables


def test_five_thousand_deals_take_the_pages_of_their_ids_and_the_budget(tmp_path: Path) -> None:
    account, budget = Account.generate(leads=5_000, clock=ManualClock()), 30
    deals = tables_of(account)["deals"]
    database = str(tmp_path / "crm.duckdb")
    began = moment(account.clock.now())
    synced = {"started_at": began, "ended_at": began, "ended_well": True, "tables": {"deals": 5_000}}
    models.store(database, PROJECT, {"deals": deals, "syncs": [synced]}, "duckdb")
    advance(account)
    found, sandbox = verified(account, tmp_path, database, budget)
    live = sum(not row["is_deleted"] for row in deals)
    assert found.sentence() == f"All {live:,} rows looked at are equal; 0 tables of 1 were looked at in part."

    requested = Counter(kind_of(line.path, line.query) for line in sandbox.log)
    assert requested.keys() == {"account", "ids", "sample", "trash"}
    assert (requested["account"], requested["trash"]) == (1, 1)
    assert found.requests == requested.total() <= 1.2 * ceil(live / IDS_A_PAGE) + budget
    assert found.tables["deals"].sampled == IDS_A_REQUEST * requested["sample"] > 1_000


def kind_of(path: str, query: str) -> str:
    kinds = {"order%5Bid%5D": "ids", "only_deleted": "trash", "filter%5Bid%5D": "sample"}
    return next((kind for word, kind in kinds.items() if word in query), path.rpartition("/")[2])


def test_tables_that_airbyte_wrote_are_verified(tmp_path: Path) -> None:
    account = Account.generate(leads=60, clock=ManualClock())
    for kind in ("leads", "contacts"):
        writes.trash(account, kind, max(account.tables[kind].rows))
    tables = tables_of(account)
    extracted_at = datetime.fromtimestamp(account.clock.now(), timezone.utc)
    advance(account)
    with postgres.server() as database:
        models.store(database, PROJECT, tables, "destination")
        with psycopg.connect(database) as connection:
            for name in tables:
                columns = (
                    "ADD _airbyte_raw_id varchar, ADD _airbyte_meta jsonb, ADD _airbyte_generation_id bigint, "
                    f"ADD _airbyte_extracted_at timestamptz DEFAULT '{extracted_at.isoformat()}'"
                )
                connection.execute(cast(Any, f"ALTER TABLE amocrm.amocrm_{PROJECT}_{name} {columns}"))
        found, _ = verified(account, tmp_path, database)
        assert found.sentence().startswith("All "), found.sentence()
        assert found.tables.keys() == tables.keys()
        assert found.synced_at == extracted_at

        lead, other = sorted(row["lead_id"] for row in tables["deals"] if not row["is_deleted"])[:2]
        table, again = f"amocrm.amocrm_{PROJECT}_", tmp_path / "again.json"
        with psycopg.connect(database) as connection:
            connection.execute(cast(Any, f"DELETE FROM {table}deals WHERE lead_id = {lead}"))
            connection.execute(cast(Any, f"UPDATE {table}deals SET sale = 0.5 WHERE lead_id = {other}"))
            connection.execute(cast(Any, f"UPDATE {table}users SET name = 'wrong'"))
        found, _ = verified(account, tmp_path, database, again=again)
        assert (found.exit_code, found.differences) == (3, 0)
        assert {name: one.waiting for name, one in found.tables.items() if one.waiting} == {
            "deals": 2,
            "users": len(tables["users"]),
        }
        assert found.advice() == [f"In five minutes run your sync, then this line: {found.again}"]
        assert found.again.endswith(f"--project {PROJECT} --dataset amocrm --no-sync --again {again}")

        found, _ = verified(account, tmp_path, database, again=again)
        assert found.exit_code == 3, "no sync has run since"
        with psycopg.connect(database) as connection:
            for row in tables["users"]:
                name = f"UPDATE {table}users SET name = %s WHERE user_id = %s"
                connection.execute(cast(Any, name), [row["name"], row["user_id"]])
            connection.execute(cast(Any, f"UPDATE {table}account SET _airbyte_extracted_at = now()"))
        found, _ = verified(account, tmp_path, database, again=again)
        deals = found.tables["deals"]
        assert (deals.missing, deals.extra, deals.stale, dict(deals.unequal)) == (1, 0, 0, {"sale": 1})
        assert (found.tables["users"].changed_since, found.differences) == (len(tables["users"]), 2)
        assert (found.exit_code, again.exists()) == (1, False)
