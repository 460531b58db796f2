"""One account's sync as `fleet sync` and a scheduler see it: a process that may do anything."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from amocrm_fleet import cli, syncing, wire
from amocrm_fleet.folder import Account, add
from amocrm_fleet.locks import account_held, folder_held
from amocrm_fleet.status import Outcome, status_of
from amocrm_fleet.syncing import Loader, Loading
from amocrm_fleet.wire import Asked, Forked
from source_amocrm.config.config_file import ConfigFileError

from .fake_loader import ROOT, fake_loader

PATIENCE = 60.0
"""Seconds until a process counts as one that does not end."""


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    monkeypatch.setattr(syncing, "_TIME_TO_STOP", 0.3)
    return Loader(str(tmp_path / "{name}.duckdb"), seconds=PATIENCE, checkout=fake_loader(tmp_path))


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit strikes only a sync that would never end, however long the others take on a busy machine."""
    begins, waits, endless = wire.begin, Forked.wait, set()

    def begin(control: socket.socket, asked: Asked, *files: Any) -> Forked:
        forked = begins(control, asked, *files)
        if {"slow", "deaf"} & set(asked.arguments):
            endless.add(forked)
        return forked

    def wait(forked: Forked, seconds: float | None = None) -> int:
        return waits(forked, seconds if forked in endless else PATIENCE)

    monkeypatch.setattr(syncing, "begin", begin)
    monkeypatch.setattr(Forked, "wait", wait)


def sync(one: Account, loader: Loader) -> Outcome:
    with Loading(loader) as loading:
        return loading.sync(one)


def asked(tmp_path: Path) -> list[str]:
    """What the loader was asked, its start among it."""
    return (tmp_path / "asked").read_text().splitlines()


def account(tmp_path: Path, name: str) -> Account:
    return add(tmp_path / "accounts", {"account_domain": "example.amocrm.ru"}, name)


@pytest.mark.parametrize(
    ("name", "failures"),
    [
        ("fine", []),
        ("revoked", ["amoCRM no longer accepts the refresh token."]),
        ("refused", ["The database cannot be opened: no."]),
        ("killed", ["The sync was killed (SIGKILL). What it wrote is kept; the next one goes on."]),
        ("dumb", ["The sync ended with 4 and said nothing."]),
        ("broken", ["ZeroDivisionError: integer division or modulo by zero"]),
    ],
)
def test_what_a_sync_came_to(name: str, failures: list[str], loader: Loader, tmp_path: Path) -> None:
    one = account(tmp_path, name)
    outcome = sync(one, loader)
    assert outcome.failures == failures
    assert status_of(one).last == outcome
    assert status_of(one).failed_in_a_row == len(failures)
    asks = f"{tmp_path / name}.duckdb --json --config {one.path} --project {name}"
    assert asked(tmp_path) == ["started", asks]


@pytest.mark.parametrize("name", ["slow", "deaf"])
def test_a_slow_account_is_stopped(name: str, loader: Loader, tmp_path: Path) -> None:
    late = Loader(loader.database, seconds=0.3, checkout=loader.checkout)
    one = account(tmp_path, name)
    assert sync(one, late) == Outcome(
        seconds=0.3, failures=["It was stopped after 0.3 s. What it read is kept; the next sync goes on from there."]
    )
    with account_held(one):
        pass  # nothing of it is left that holds the account


def test_an_interrupt_leaves_no_process_behind(loader: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody presses Ctrl-C, once, while the process is waited for."""
    waits, presses = Forked.wait, iter([signal.SIGINT])

    def wait(forked: Forked, seconds: float | None = None) -> int:
        for number in presses:
            os.kill(os.getpid(), number)
        return waits(forked, seconds)

    monkeypatch.setattr(Forked, "wait", wait)
    one = account(tmp_path, "slow")
    with pytest.raises(KeyboardInterrupt):
        sync(one, loader)
    with account_held(one):
        pass


def test_a_config_that_others_read_is_not_synced(loader: Loader, tmp_path: Path) -> None:
    one = account(tmp_path, "fine")
    one.path.chmod(0o644)
    assert sync(one, loader).failures == [f"Others can read the config {one.path} and its token: chmod 600 {one.path}."]
    assert not (tmp_path / "asked").exists()


def test_failures_are_counted_until_one_succeeds(loader: Loader, tmp_path: Path) -> None:
    one = account(tmp_path, "fine")
    refusing = Loader(loader.database, checkout=loader.checkout)
    assert status_of(one).ended is None
    first = status_of(one)
    one.path.chmod(0o644)
    sync(one, refusing)
    sync(one, refusing)
    assert (status_of(one).failed_in_a_row, status_of(one).succeeded) == (2, first.succeeded)
    one.path.chmod(0o600)
    sync(one, refusing)
    held = status_of(one)
    assert (held.failed_in_a_row, held.last) == (0, Outcome(5, 1.5))
    assert held.succeeded == held.ended is not None
    one.beside("status.json").write_text("{")
    assert status_of(one).ended is None, "nothing depends on it"


def test_postgres_s_address_is_not_taken_for_a_file(loader: Loader, tmp_path: Path) -> None:
    url = "postgresql://user@host/{name}"
    one = account(tmp_path, "fine")
    sync(one, Loader(url, "deals,users", checkout=loader.checkout))
    asks = f"postgresql://user@host/fine --json --config {one.path} --project fine --streams deals,users"
    assert asked(tmp_path) == ["started", asks]
    assert [Loader(name).one_at_a_time for name in (url, "a.duckdb", "{name}.duckdb")] == [False, True, False]


def test_the_loader_is_started_once_and_each_account_has_a_process_of_its_own(loader: Loader, tmp_path: Path) -> None:
    who, fine = account(tmp_path, "who"), account(tmp_path, "fine")
    with Loading(loader) as loading:
        assert not (tmp_path / "asked").exists(), "not before it is needed"
        first, _, second = loading.sync(who), loading.sync(fine), loading.sync(who)
    session, server, seen = first.failures[0].split()
    assert seen == "None"
    assert session == str(first.rows)
    assert second.failures == [f"{second.rows} {server} None"]
    assert len({first.rows, second.rows, int(server), os.getpid()}) == 4
    assert asked(tmp_path).count("started") == 1


@pytest.mark.usefixtures("lenient")
def test_a_killed_and_a_deaf_account_harm_no_other(loader: Loader, tmp_path: Path) -> None:
    chosen = [account(tmp_path, name) for name in ("deaf", "killed", "revoked", "fine")]
    with Loading(loader.within(0.5)) as loading:
        told = {one.name: outcome.failures for one, outcome in loading.sync_each(chosen, 2)}
    assert told == {
        "deaf": ["It was stopped after 0.5 s. What it read is kept; the next sync goes on from there."],
        "killed": ["The sync was killed (SIGKILL). What it wrote is kept; the next one goes on."],
        "revoked": ["amoCRM no longer accepts the refresh token."],
        "fine": [],
    }
    assert asked(tmp_path).count("started") == 1


def test_the_loader_is_killed_and_the_next_account_starts_another(loader: Loader, tmp_path: Path) -> None:
    killer, fine = account(tmp_path, "killer"), account(tmp_path, "fine")
    with Loading(loader) as loading:
        killed = "The sync was killed (SIGKILL). What it wrote is kept; the next one goes on."
        assert loading.sync(killer).failures == [killed]
        assert loading.sync(fine).failures == []
    assert asked(tmp_path).count("started") == 2


def test_a_loader_that_cannot_start_says_why(loader: Loader, tmp_path: Path) -> None:
    loader.python.write_text("#!/bin/sh\necho 'No module named airbyte' >&2\nexit 1\n")
    assert sync(account(tmp_path, "fine"), loader).failures == ["No module named airbyte"]
    loader.python.write_text("#!/bin/sh\nexit 3\n")
    said = "The process that starts the syncs ended with 3 and said nothing."
    assert sync(account(tmp_path, "fine-2"), loader).failures == [said]


def test_the_account_is_held_until_its_connector_has_ended(loader: Loader, tmp_path: Path) -> None:
    """The connector was asked for by a sync that is dead: nobody waits for it, so it is stopped."""
    one = account(tmp_path, "connecting")
    with Loading(loader) as loading:
        loading.sync(one)
        _until_free(one)


@pytest.mark.parametrize("name", ["slow", "deaf"])
def test_a_fleet_that_is_killed_leaves_no_sync_behind(name: str, loader: Loader, tmp_path: Path) -> None:
    one = account(tmp_path, name)
    code = (
        "from pathlib import Path; from amocrm_fleet.folder import Account\n"
        "from amocrm_fleet.syncing import Loader, Loading\n"
        f"loader = Loader('a.duckdb', checkout=Path({str(loader.checkout)!r}))\n"
        f"Loading(loader).sync(Account(Path({str(one.path)!r})))"
    )
    fleet = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    while not (tmp_path / "asked").exists() or len(asked(tmp_path)) < 2:
        time.sleep(0.02)
    with pytest.raises(ConfigFileError, match="is being synced or checked already"), account_held(one):
        pass
    fleet.kill()
    fleet.wait()
    _until_free(one)


def _until_free(one: Account) -> None:
    for _ in range(500):
        try:
            with account_held(one):
                return
        except ConfigFileError:
            time.sleep(0.02)
    raise AssertionError("it is still held")


@pytest.fixture
def command(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(database: str, streams: str, seconds: float | None) -> Loader:
        return Loader(database, streams, seconds, loader.checkout)

    monkeypatch.setattr(cli, "Loader", made)


@pytest.mark.usefixtures("command", "lenient")
def test_the_others_go_on_and_each_is_told_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "accounts"
    for name in ("fine", "renamed", "revoked", "killed", "slow"):
        account(tmp_path, name)
    add(folder, {"account_domain": "example.amocrm.ru"}, "held")
    with account_held(Account(folder / "held.json")):
        code = cli.main(["sync", "--accounts", str(folder), "--parallel", "3", "--seconds", "0.5", "--db", "{name}.db"])
    out = capsys.readouterr().out.splitlines()
    assert code == 1
    assert sorted(out[:6]) == [
        "fine: 5 rows in 1.5 s.",
        f"held: 0 rows in 0.0 s. held is being synced or checked already, by process {os.getpid()} on "
        f"{os.uname().nodename}. Two at once would spend each other's refresh token: wait until that one is done.",
        "killed: 0 rows in 0.0 s. The sync was killed (SIGKILL). What it wrote is kept; the next one goes on.",
        "renamed: 5 rows in 0.0 s. It is now called south.",
        "revoked: 0 rows in 1.0 s. amoCRM no longer accepts the refresh token.",
        "slow: 0 rows in 0.5 s. It was stopped after 0.5 s. What it read is kept; the next sync goes on from there.",
    ]
    assert out[6:] == ["", "2 of 6 accounts are up to date. Not: held, killed, revoked, slow."]

    assert cli.main(["status", "--accounts", str(folder)]) == 1
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["account", "last", "sync", "last", "success", "rows", "failures"]
    assert [line.split()[0] for line in lines] == ["fine", "held", "killed", "renamed", "revoked", "slow"]
    assert lines[1].split() == ["held", "never", "never", "–"]
    assert lines[4].endswith("1 in a row: amoCRM no longer accepts the refresh token.")
    assert cli.main(["status", "--accounts", str(folder), "--only", "fine,held"]) == 0


@pytest.mark.usefixtures("command")
def test_what_keeps_it_from_beginning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "accounts"
    account(tmp_path, "fine")
    with folder_held(folder, "Dagster"):
        assert cli.main(["sync", "--accounts", str(folder)]) == 2
        assert cli.main(["status", "--accounts", str(folder)]) == 0
    assert "are in the hands of another fleet, Dagster." in capsys.readouterr().err
    for path in folder.glob("*.json"):
        path.unlink()
    assert cli.main(["check", "--accounts", str(folder)]) == 2
    assert capsys.readouterr().err == f"There is no account in {folder}: its configs are files NAME.json.\n"


def test_without_pyairbyte(tmp_path: Path) -> None:
    one = account(tmp_path, "fine")
    with pytest.raises(ConfigFileError, match="Syncs run on PyAirbyte, which is not at"):
        sync(one, Loader("a.duckdb", checkout=tmp_path))
    assert status_of(one).ended is None
