"""`source-amocrm why`, asked about cards of an account that the sandbox serves: what happened to each is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amocrm_warehouse.assistant.why_command import why
from amocrm_warehouse.sync import sync
from sandbox import OFF, Account, Fault, Faults, RealClock, Server, writes
from testing import forked, models

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


STREAMS = ["account", "users", "statuses", "deals"]
Lived = dict[str, tuple[str, int, Path | None]]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Lived]]:
    """A database of six projects of one account, each with its own settings, whose people went on, and what became of
    cards: (project, id, config) by cause."""
    folder = tmp_path_factory.mktemp("lived")
    database, account = f"duckdb:///{folder}/crm.duckdb", Account.generate(3, 25)
    lead = ids(account)
    writes.removal.trash(account, "leads", lead[0])
    assert isinstance(account.clock, RealClock)
    clock: Any = account.clock
    clock.shift += 10

    def config(name: str, of: Server, **more: Any) -> Path:
        path = folder / f"{name}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({**of.config(), "requests_per_second": 50, **more}), encoding="utf-8")
        return path

    def synced(path: Path, project: str, streams: list[str]) -> bool:
        clock.shift += 60
        return not sync(path, to=database, project=project, streams=streams).errors

    no_deals, no_users = (Faults(Fault("403", f"/api/v4/{path}$")) for path in ("leads", "users"))
    with (
        Server(account, rate=OFF) as open_to_all, Server(account, rate=OFF, faults=no_deals) as without_deals,
        Server(account, rate=OFF, faults=no_users) as without_users,
    ):  # fmt: skip
        whole = config("whole", open_to_all)
        ignoring = config("ignoring", open_to_all, deleted_rows="ignore")
        changed = {one: row["updated_at"] for one, row in account.tables["leads"].rows.items() if one in lead[8:]}
        began = max(changed.values())
        late = config(
            "late", open_to_all, start_date=f"{datetime.fromtimestamp(began, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        )
        writes.removal.trash(account, "leads", lead[2])
        assert synced(whole, "1001", STREAMS)
        assert synced(ignoring, "1002", STREAMS)
        assert synced(late, "1003", STREAMS)
        assert synced(whole, "1004", STREAMS[:3])
        assert not synced(config("no_deals", without_deals), "1005", STREAMS)
        assert not synced(config("no_users", without_users), "1006", STREAMS)
        models.build(database, "--project", "1001,1002")
        writes.edit(account, "leads", lead[3], price=777)
        new = int(writes.create_lead(account, name="Новая"))
        assert synced(whole, "1001", STREAMS)
        clock.shift += 60
        writes.removal.restore(account, "leads", lead[2])
        writes.removal.trash(account, "leads", lead[5])
        with duckdb.connect(database.removeprefix("duckdb:///")) as connection:
            gone = f"project_id = '1002' and deal_id = {lead[7]}"
            connection.execute(f"delete from amocrm_marts.deals where {gone}")  # by somebody's hand
        bad = config("bad", open_to_all, credentials={"auth_type": "token", "access_token": "no-token"})
        oldest = min(changed, key=changed.__getitem__)
        yield database, {
            "never_read": ("1001", 999_999_998, None), "counted": ("1002", lead[8], None),
            "marts_are_older": ("1001", lead[3], None), "built_before": ("1001", new, None),
            "not_in_marts": ("1002", lead[7], None), "restored_since": ("1001", lead[2], whole),
            "deletions_ignored": ("1002", lead[5], ignoring), "first_sync_unfinished": ("1006", 999_999_997, None),
            "before_start_date": ("1003", oldest, late), "table_never_read": ("1004", lead[8], None),
            "table_failed": ("1005", lead[8], None), "refused": ("1001", lead[8], bad),
        }  # fmt: skip


CAUSES = (
    "never_read", "counted", "marts_are_older", "built_before", "not_in_marts", "restored_since", "deletions_ignored",
    "first_sync_unfinished", "before_start_date", "table_never_read", "table_failed", "refused",
)  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES)
def test_what_became_of_a_card_in_a_life_of_syncs_is_named(lived: tuple[str, Lived], cause: str) -> None:
    database, made = lived
    project, number, config = made[cause]
    found = why(database, project, "deal", number, config=config)
    assert found["cause"] == cause, found
    assert found["mend"].startswith("source-amocrm ")


def test_twenty_causes_are_made_in_the_sandbox() -> None:
    assert len({*CAUSES, *DONE, "deleted", "other_project"}) >= 20


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
    with duckdb.connect(database.removeprefix("duckdb:///"), read_only=True) as connection:
        found = connection.execute("select lead_id from amocrm.amocrm_1001_deals where is_deleted").fetchall()
    return [number for (number,) in found]


def test_a_project_that_is_not_there_is_named_beside_those_that_are(synced: tuple[str, Path]) -> None:
    found = why(synced[0], "101", "deal", 5)
    assert found["cause"] == "other_project"
    assert found["why"] == (
        "There are no tables of the project 101. Did you mean 1001? The database has: 1001. If the name is right, read "
        "it first: source-amocrm sync --project 101."
    )
    assert found["mend"] == f"source-amocrm why --project 1001 deal 5 --to {synced[0]}"


def test_without_a_project_or_a_config_nothing_is_asked(synced: tuple[str, Path]) -> None:
    done = forked.run(["why", "deal", "5", "--to", synced[0]])
    assert done.returncode == 2
    assert done.stderr.strip() == "Name the project: --project, or the config of its account: --config."
