"""One account's sync as `fleet sync` and a scheduler see it: a process that may do anything."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import cast

import pytest

from source_amocrm.accounts import FleetError
from source_amocrm.accounts.account import Account
from source_amocrm.accounts.folder import add
from source_amocrm.accounts.locks import account_held, folder_held
from source_amocrm.fleet import cli, syncing
from source_amocrm.fleet.status import Outcome, status_of
from source_amocrm.fleet.syncing import Loader, sync

PATIENCE = 60.0
"""Seconds until a process counts as one that does not end."""
SAID = {
    "fine": 'echo \'{"rows": 5, "seconds": 1.5, "failures": []}\'',
    "revoked": 'echo \'{"seconds": 1, "failures": ["amoCRM no longer accepts the refresh token."]}\'; exit 1',
    "refused": "echo 'first'; echo 'The database cannot be opened: no.' >&2; exit 2",
    "killed": "kill -9 $$",
    "dumb": "exit 4",
    "slow": "trap 'exit 130' INT; while :; do sleep 0.05; done",
    "deaf": "trap '' INT; while :; do sleep 0.05; done",
}
"""What stands for the loader does what its account is called."""


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    checkout = tmp_path / "checkout"
    python = checkout / ".venv-pyairbyte" / "bin" / "python"
    python.parent.mkdir(parents=True)
    cases = "\n".join(f"*/{name}.json) {command} ;;" for name, command in SAID.items())
    python.write_text(f'#!/bin/bash\necho "$DB $*" >> {tmp_path}/asked\ncase "$5" in\n{cases}\nesac\n')
    python.chmod(0o755)
    monkeypatch.setattr(syncing, "_TIME_TO_STOP", 0.3)
    return Loader(str(tmp_path / "{name}.duckdb"), seconds=PATIENCE, checkout=checkout)


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
    ],
)
def test_what_a_sync_came_to(name: str, failures: list[str], loader: Loader, tmp_path: Path) -> None:
    one = account(tmp_path, name)
    outcome = sync(one, loader)
    assert outcome.failures == failures
    assert status_of(one).last == outcome
    assert status_of(one).failed_in_a_row == len(failures)
    assert (tmp_path / "asked").read_text() == (
        f"{tmp_path / name}.duckdb -m demo.sync --json --config {one.path} --project {name}\n"
    )


@pytest.mark.parametrize("name", ["slow", "deaf"])
def test_a_slow_account_is_stopped(name: str, loader: Loader, tmp_path: Path) -> None:
    late = Loader(loader.database, seconds=0.3, checkout=loader.checkout)
    one = account(tmp_path, name)
    assert sync(one, late) == Outcome(
        seconds=0.3, failures=["It was stopped after 0.3 s. What it read is kept; the next sync goes on from there."]
    )
    with account_held(one):
        pass  # nothing of it is left that holds the account


class Interrupted(subprocess.Popen[str]):
    """Somebody presses Ctrl-C, once, while the process is waited for."""

    pressed = False

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:  # noqa: A002
        if not self.pressed:
            self.pressed = True
            os.kill(os.getpid(), signal.SIGINT)
        return super().communicate(input, timeout)


def test_an_interrupt_leaves_no_process_behind(loader: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", Interrupted)
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
    assert (tmp_path / "asked").read_text().startswith("postgresql://user@host/fine -m demo.sync --json")
    assert (tmp_path / "asked").read_text().endswith("--project fine --streams deals,users\n")
    assert [Loader(name).one_at_a_time for name in (url, "a.duckdb", "{name}.duckdb")] == [False, True, False]


class Lenient(subprocess.Popen[str]):
    """A process that a limit strikes only if it would never end, however long the others take on a busy machine."""

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:  # noqa: A002
        endless = "slow" in cast("list[str]", self.args)
        return super().communicate(input, timeout if endless else PATIENCE)


@pytest.fixture
def command(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", Lenient)

    def made(database: str, streams: str, seconds: float | None) -> Loader:
        return Loader(database, streams, seconds, loader.checkout)

    monkeypatch.setattr(cli, "Loader", made)


@pytest.mark.usefixtures("command")
def test_the_others_go_on_and_each_is_told_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "accounts"
    for name in ("fine", "revoked", "killed", "slow"):
        account(tmp_path, name)
    add(folder, {"account_domain": "example.amocrm.ru"}, "held")
    with account_held(Account(folder / "held.json")):
        code = cli.main(["sync", "--accounts", str(folder), "--parallel", "3", "--seconds", "0.5", "--db", "{name}.db"])
    out = capsys.readouterr().out.splitlines()
    assert code == 1
    assert sorted(out[:5]) == [
        "fine: 5 rows in 1.5 s.",
        f"held: 0 rows in 0.0 s. held is being synced or checked already, by process {os.getpid()} on "
        f"{os.uname().nodename}. Two at once would spend each other's refresh token: wait until that one is done.",
        "killed: 0 rows in 0.0 s. The sync was killed (SIGKILL). What it wrote is kept; the next one goes on.",
        "revoked: 0 rows in 1.0 s. amoCRM no longer accepts the refresh token.",
        "slow: 0 rows in 0.5 s. It was stopped after 0.5 s. What it read is kept; the next sync goes on from there.",
    ]
    assert out[5:] == ["", "1 of 5 accounts are up to date. Not: held, killed, revoked, slow."]

    assert cli.main(["status", "--accounts", str(folder)]) == 1
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["account", "last", "sync", "last", "success", "rows", "failures"]
    assert [line.split()[0] for line in lines] == ["fine", "held", "killed", "revoked", "slow"]
    assert lines[1].split() == ["held", "never", "never", "–"]
    assert lines[3].endswith("1 in a row: amoCRM no longer accepts the refresh token.")
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
    with pytest.raises(FleetError, match="Syncs run on PyAirbyte, which is not at"):
        sync(one, Loader("a.duckdb", checkout=tmp_path))
    assert status_of(one).ended is None
