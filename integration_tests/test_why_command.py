"""`source-amocrm why`, asked about cards of an account that the sandbox serves: what happened to each is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from amocrm_warehouse.assistant.why_command import why
from sandbox import OFF, Account, RealClock, Server, writes
from testing import forked

PROJECT = "1001"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    account = Account.generate(leads=25)
    writes.removal.trash(account, "leads", ids(account)[0])
    assert isinstance(account.clock, RealClock)
    account.clock.shift += 10
    with Server(account, rate=OFF) as running:
        yield running


@pytest.fixture(scope="module")
def synced(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The database after a first sync, and the config. Then people go on working."""
    folder = tmp_path_factory.mktemp("why")
    config, database = folder / "config.json", f"duckdb:///{folder}/crm.duckdb"
    config.write_text(json.dumps({**server.config(), "requests_per_second": 50}), encoding="utf-8")
    done = forked.run(["sync", "--config", config, "--project", PROJECT, "--to", database])
    assert done.returncode == 0, done.stdout + done.stderr
    return database, config


def ids(account: Account) -> list[int]:
    return [row_id for _, row_id in account.tables["leads"].index("id")]


def edited(account: Account) -> int:
    writes.edit(account, "leads", ids(account)[3], price=777)
    return ids(account)[3]


def trashed(account: Account) -> int:
    lead = ids(account)[5]
    writes.trash(account, "leads", lead)
    return lead


def created(account: Account) -> int:
    return int(writes.create_lead(account, name="Новая"))


DONE: dict[str, Callable[[Account], int]] = {
    "changed_since": edited, "gone_since": trashed, "created_since": created,
    "unknown_to_account": lambda _: 999_999_999, "no_marts": lambda account: ids(account)[7],
    "another_card": lambda account: account.tables["contacts"].index("id")[0][1],
}  # fmt: skip


@pytest.mark.parametrize("cause", DONE)
def test_what_people_did_after_the_sync_is_named(server: Server, synced: tuple[str, Path], cause: str) -> None:
    database, config = synced
    account: Any = server.account
    account.clock.shift += 60
    number = DONE[cause](account)
    found = why(database, PROJECT, "deal", number, config=config)
    assert found["cause"] == cause, found


def test_a_card_in_the_trash_is_named_with_its_time_and_the_json_says_the_same(synced: tuple[str, Path]) -> None:
    database, _ = synced
    [number] = deleted_ones(database)
    found = why(database, PROJECT, "deal", number)
    assert found["cause"] == "deleted"
    done = forked.run(["why", "deal", str(number), "--to", database, "--project", PROJECT, "--json"])
    assert json.loads(done.stdout) == json.loads(json.dumps(found, default=str))
    said = forked.run(["why", "deal", str(number), "--to", database, "--project", PROJECT]).stdout.splitlines()
    assert said[0] == f"Deal {number}: {found['why']}"
    assert said[-1] == f"This mends it: {found['mend']}"


def deleted_ones(database: str) -> list[int]:
    import duckdb

    with duckdb.connect(database.removeprefix("duckdb:///"), read_only=True) as connection:
        found = connection.execute("select lead_id from amocrm.amocrm_1001_deals where is_deleted").fetchall()
    return [number for (number,) in found]


def test_a_project_that_is_not_there_is_named_beside_those_that_are(synced: tuple[str, Path]) -> None:
    found = why(synced[0], "101", "deal", 5)
    assert found["cause"] == "never_synced"
    assert found["why"] == "There are no tables of the project 101. Did you mean 1001? The database has: 1001."


def test_without_a_project_or_a_config_nothing_is_asked(synced: tuple[str, Path]) -> None:
    done = forked.run(["why", "deal", "5", "--to", synced[0]])
    assert done.returncode == 2
    assert done.stderr.strip() == "Name the project: --project, or the config of its account: --config."
