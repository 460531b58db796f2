"""Accounts' syncs as `fleet sync` and a scheduler see them: processes that may do anything."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from amocrm_fleet import fleet_command, fleet_work, processes
from amocrm_fleet.accounts_folder import FleetAccount, add
from amocrm_fleet.fleet_sync import ProgressLine, Syncing
from amocrm_fleet.locks import account_held, folder_held
from amocrm_fleet.processes import UnderWay, log_of
from amocrm_fleet.status import LastSync, status_of
from source_amocrm.config_file import ConfigFileError
from testing.fake_loader import FakeSyncing

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 600.0
"""Seconds until a process counts as one that does not end."""
KILLED = "The sync was killed (SIGKILL). What it wrote is kept; the next one goes on."
STOPPED = "It was stopped after 0.5 s. What it read is kept; the next sync goes on from there."
WARNING = "Two at once would spend each other's refresh token: wait until that one is done."


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "TIME_TO_STOP", 0.3)
    monkeypatch.setattr(processes, "_TICK", 0.1)


@pytest.fixture
def fleet() -> Syncing:
    return FakeSyncing("duckdb:///{name}.duckdb", seconds=PATIENCE)


def only_endless_are_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit strikes only a sync that would never end, however long the others take on a busy machine."""
    endless = {"slow", "deaf"}

    def seconds(one: UnderWay) -> float:
        return time.monotonic() - one.started if one.account.name in endless else 0.0

    monkeypatch.setattr(UnderWay, "seconds", property(seconds))


def sync(one: FleetAccount, fleet: Syncing) -> LastSync:
    [(_, done)] = fleet.each([one])
    return done


def asked(tmp_path: Path) -> list[str]:
    """What the loader was asked."""
    return (tmp_path / "asked").read_text().splitlines()


def account(tmp_path: Path, name: str) -> FleetAccount:
    return add(tmp_path / "accounts", {"account_domain": "example.amocrm.ru"}, name)


@pytest.mark.parametrize(
    ("name", "failures"),
    [
        ("fine", []),
        ("revoked", ["amoCRM no longer accepts the refresh token.", "And more."]),
        ("refused", ["The database cannot be opened: no."]),
        ("killed", [KILLED]),
        ("dumb", ["The sync ended with 4 and said nothing."]),
        ("broken", ["ZeroDivisionError: integer division or modulo by zero"]),
    ],
)
def test_what_a_sync_came_to(name: str, failures: list[str], fleet: Syncing, tmp_path: Path) -> None:
    one = account(tmp_path, name)
    done = sync(one, fleet)
    assert done.failures == failures
    assert done.rows == (33 if name == "fine" else 0), "as `sync` counts; built-in dictionaries alone are nothing"
    assert status_of(one).last == done
    assert status_of(one).failed_in_a_row == bool(failures)
    assert asked(tmp_path) == [f"{name}.json into duckdb:///{name}.duckdb as {name}: None"]


@pytest.mark.parametrize("name", ["slow", "deaf"])
def test_a_slow_account_is_stopped(name: str, fleet: Syncing, tmp_path: Path) -> None:
    one = account(tmp_path, name)
    assert sync(one, fleet.within(0.5)) == LastSync(seconds=0.5, failures=[STOPPED])
    with account_held(one):
        pass  # nothing of it is left that holds the account


def test_an_interrupt_leaves_no_process_behind(fleet: Syncing, tmp_path: Path) -> None:
    """Somebody presses Ctrl-C, once, while processes are waited for; one of them does not listen."""
    chosen = [account(tmp_path, name) for name in ("deaf", "slow", "fine")]
    presses = iter([signal.SIGINT])

    def watch(_: object) -> None:
        if (tmp_path / "asked").exists() and len(asked(tmp_path)) == 2:
            for number in presses:
                os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        list(fleet.each(chosen, 2, watch))
    assert len(asked(tmp_path)) == 2, "the third was not begun"
    for one in chosen:
        with account_held(one):
            assert status_of(one).ended is None


def test_a_config_that_others_could_read_is_made_private_before_it_is_synced(fleet: Syncing, tmp_path: Path) -> None:
    one = account(tmp_path, "fine")
    one.path.chmod(0o644)
    done = sync(one, fleet)
    private = f"Others could read the config {one.path} and its token; now its owner alone can (mode 600)."
    assert (done.failures, done.notices[:1], one.path.stat().st_mode & 0o777) == ([], [private], 0o600)


def test_an_account_whose_log_cannot_be_written_is_not_synced(fleet: Syncing, tmp_path: Path) -> None:
    one = account(tmp_path, "fine")
    log_of(one).mkdir(parents=True)
    assert sync(one, fleet).failures == [f"The log {log_of(one)} cannot be written: Is a directory."]
    assert not (tmp_path / "asked").exists()


def test_failures_are_counted_until_one_succeeds(fleet: Syncing, tmp_path: Path) -> None:
    one = account(tmp_path, "fine")
    assert status_of(one).ended is None
    first = status_of(one)
    whole = one.path.read_text()
    one.path.write_text("{")
    one.path.chmod(0o644)
    sync(one, fleet)
    sync(one, fleet)
    assert (status_of(one).failed_in_a_row, status_of(one).succeeded) == (2, first.succeeded)
    one.path.write_text(whole)
    one.path.chmod(0o600)
    sync(one, fleet)
    held = status_of(one)
    assert (held.failed_in_a_row, replace(held.last, cpu_seconds=0.0)) == (0, LastSync(33, 1.5))
    assert held.succeeded == held.ended is not None
    one.beside("status.json").write_text("{")
    assert status_of(one).ended is None, "nothing depends on it"


def test_the_name_stands_in_the_address_and_streams_are_chosen(tmp_path: Path) -> None:
    one = account(tmp_path, "north-east")
    sync(one, FakeSyncing("postgresql://user@host/{name}", ("deals", "users"), ("calls", "users")))
    assert asked(tmp_path) == [
        "north-east.json into postgresql://user@host/north-east as north_east: ['deals', 'users'] without calls, users"
    ]
    addresses = ("postgresql://user@host/a", "duckdb:///a.duckdb", "a.duckdb", "duckdb:///{name}.duckdb")
    assert [FakeSyncing(to).one_at_a_time for to in addresses] == [False, True, True, False]


def test_each_account_has_a_process_of_its_own_that_one_server_forks(fleet: Syncing, tmp_path: Path) -> None:
    chosen = [account(tmp_path, name) for name in ("who", "fine")]
    [first] = [done.failures[0].split() for one, done in fleet.each(chosen, 2) if one.name == "who"]
    second = sync(chosen[0], fleet).failures[0].split()
    pid, session, server, seen, mask = first
    assert (pid, seen, mask) == (session, "None", "77")
    assert second[2:] == [server, "None", "77"]
    assert len({pid, second[0], server, str(os.getpid())}) == 4


def test_a_killed_and_a_deaf_account_harm_no_other(
    fleet: Syncing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_endless_are_late(monkeypatch)
    chosen = [account(tmp_path, name) for name in ("deaf", "killed", "revoked", "fine")]
    told = {one.name: done.failures for one, done in fleet.within(0.5).each(chosen, 2)}
    assert told == {
        "deaf": [STOPPED],
        "killed": [KILLED],
        "revoked": ["amoCRM no longer accepts the refresh token.", "And more."],
        "fine": [],
    }


def test_the_server_is_killed_and_the_next_account_starts_another(fleet: Syncing, tmp_path: Path) -> None:
    killer, fine = account(tmp_path, "killer"), account(tmp_path, "fine")
    assert [(one.name, done.failures) for one, done in fleet.each([killer, fine])] == [
        ("killer", [KILLED]), ("fine", []),
    ]  # fmt: skip
    _until_free(killer)


def test_what_a_sync_started_dies_with_it(fleet: Syncing, tmp_path: Path) -> None:
    one = account(tmp_path, "forked")
    assert sync(one, fleet).failures == [KILLED]
    _until_free(one)


@pytest.mark.parametrize("name", ["slow", "deaf"])
def test_a_fleet_that_is_killed_leaves_no_sync_behind(name: str, tmp_path: Path) -> None:
    one = account(tmp_path, name)
    code = (
        "from pathlib import Path; from amocrm_fleet import processes\n"
        "from amocrm_fleet.accounts_folder import FleetAccount\n"
        "from testing.fake_loader import FakeSyncing\n"
        "processes.TIME_TO_STOP = 0.3\n"
        f"list(FakeSyncing('duckdb:///a.duckdb').each([FleetAccount(Path({str(one.path)!r}))]))"
    )
    fleet = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    while not (tmp_path / "asked").exists():
        assert fleet.poll() is None
        time.sleep(0.02)
    with pytest.raises(ConfigFileError, match="is being synced or checked already"), account_held(one):
        pass
    fleet.kill()
    fleet.wait()
    _until_free(one)


def _until_free(one: FleetAccount) -> None:
    for _ in range(30_000):
        try:
            with account_held(one):
                return
        except ConfigFileError:
            time.sleep(0.02)
    raise AssertionError("it is still held")


def test_the_log_has_the_name_of_the_account(fleet: Syncing, tmp_path: Path) -> None:
    one = account(tmp_path, "broken")
    sync(one, fleet)
    assert log_of(one) == tmp_path / "accounts" / ".fleet" / "logs" / "broken.log"
    text = log_of(one).read_text()
    assert text.startswith("--- 20")
    assert re.search(r"ZeroDivisionError: integer division or modulo by zero\n\n=== \d+\.\d\d s of CPU\n$", text)
    assert [path.stat().st_mode & 0o777 for path in (log_of(one), log_of(one).parent)] == [0o600, 0o700]
    log_of(one).write_bytes(b"x" * (processes.LARGEST_LOG + 1))
    sync(one, fleet)
    assert log_of(one).with_suffix(".log.1").stat().st_size == processes.LARGEST_LOG + 1
    assert log_of(one).stat().st_size < 10_000


def test_what_is_under_way_is_shown_from_the_start(fleet: Syncing, tmp_path: Path) -> None:
    seen = io.StringIO()
    progress = ProgressLine(2, seen)
    told = threading.Event()

    def watch(running: Sequence[UnderWay]) -> None:
        progress(running)
        progress._shown_at = float("-inf")
        if "talks 0 s (reading, 512 rows, leads up to 2024-03-11)" in seen.getvalue().replace("1 s", "0 s"):
            told.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(fleet.each([account(tmp_path, "talks")], 1, watch))
    assert seen.getvalue().splitlines()[:2] == ["0 of 2 done; starting", "0 of 2 done; under way: talks 0 s"]
    assert told.is_set()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(fleet_command, "Syncing", FakeSyncing)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("command")
def test_the_others_go_on_and_each_is_told_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    only_endless_are_late(monkeypatch)
    folder = tmp_path / "accounts"
    for name in ("fine", "renamed", "revoked", "unreachable", "slow"):
        account(tmp_path, name)
    held = add(folder, {"account_domain": "example.amocrm.ru"}, "held")
    with account_held(held):
        code = fleet_command.main(["sync", "--accounts", str(folder), "--parallel", "3", "--seconds", "0.5"])
    out = capsys.readouterr().out.splitlines()
    assert code == 1
    assert sorted(out[:-2]) == [
        "fine: 33 rows in 1.5 s.",
        f"held: held is being synced or checked already, by process {os.getpid()} on {os.uname().nodename}. {WARNING}",
        "renamed: 33 rows in 1.5 s.",
        "renamed: It is now called south.",
        "revoked: And more.",
        "revoked: amoCRM no longer accepts the refresh token.",
        f"slow: {STOPPED}",
        "unreachable: No answer from example.amocrm.ru.",
        "unreachable: Tables: deals.",
    ]
    assert out[-2:] == ["", "2 of 6 accounts are up to date. Not: held, revoked, slow, unreachable."]


@pytest.mark.usefixtures("command")
def test_what_each_account_keeps_is_said_for_all_or_for_some(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "accounts"
    for name in ("north", "south"):
        account(tmp_path, name)

    def run(*options: str) -> int:
        return fleet_command.main(["sync", "--accounts", str(folder), "--to", "duckdb:///a.duckdb", *options])

    kept = ["--history", "deals,contacts", "--history-days", "730", "--keep-deleted"]
    assert run("--only", "north", *kept) == run("--only", "south", "--history", "none") == run() == 0
    into = "into duckdb:///a.duckdb as"
    assert asked(tmp_path) == [
        f"north.json {into} north: None, keep_deleted True, history ('deals', 'contacts'), history_days 730",
        f"south.json {into} south: None, history ()",
        f"north.json {into} north: None",
        f"south.json {into} south: None",
    ]
    capsys.readouterr()
    assert run("--history", "all,delas") == 2
    assert capsys.readouterr().err.endswith("There is no stream “delas”: the nearest name is “deals”.\n")


@pytest.mark.usefixtures("command")
def test_what_keeps_it_from_beginning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "accounts"
    account(tmp_path, "fine")
    with folder_held(folder, "Dagster"):
        assert fleet_command.main(["sync", "--accounts", str(folder)]) == 2
        assert fleet_command.main(["status", "--accounts", str(folder)]) == 0
    assert "are in the hands of another fleet, Dagster." in capsys.readouterr().err
    for path in folder.glob("*.json"):
        path.unlink()
    assert fleet_command.main(["check", "--accounts", str(folder)]) == 2
    assert capsys.readouterr().err == (
        f"There is no account in {folder}: its configs are files NAME.json, as `source-amocrm connect --config "
        f"{folder}/NAME.json` writes them.\n"
    )


def test_what_the_server_imports_is_there() -> None:
    """It would pass over what is not in silence."""
    names = (fleet_work.WORK, *Syncing.imported)
    assert [name for name in names if importlib.util.find_spec(name) is None] == []


def test_a_stream_that_is_none_is_no_failure_of_an_account(tmp_path: Path) -> None:
    one = account(tmp_path, "fine")
    with pytest.raises(ConfigFileError, match=r"^There is no stream “delas”: the nearest name is “deals”\.$"):
        sync(one, FakeSyncing("duckdb:///{name}.duckdb", ("users", "delas")))
    with pytest.raises(ConfigFileError, match=r"^All chosen streams are left out \(--without\)"):
        sync(one, FakeSyncing("duckdb:///{name}.duckdb", ("users",), ("users",)))
    assert not one.beside("status.json").exists()


def test_an_address_that_cannot_be_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"There is no kind of database “postgress”. The nearest name is"):
        sync(account(tmp_path, "fine"), FakeSyncing("postgress://user@host/crm"))
    assert not (tmp_path / "asked").exists()


def test_without_the_extra(tmp_path: Path, fleet: Syncing, monkeypatch: pytest.MonkeyPatch) -> None:
    one = account(tmp_path, "fine")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigFileError, match=r"pip install 'source-amocrm\[fleet\] @ file://"):
        sync(one, fleet)
    assert status_of(one).ended is None


def test_an_old_log_goes_after_ninety_days(fleet: Syncing, tmp_path: Path) -> None:
    one = account(tmp_path, "fine")
    sync(one, fleet)
    older = log_of(one).with_suffix(".log.1")
    for days, is_there in ((89, True), (91, False)):
        older.write_text("old", encoding="utf-8")
        os.utime(older, (time.time() - days * 86_400,) * 2)
        sync(one, fleet)
        assert older.exists() == is_there
