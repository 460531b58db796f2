"""How a fleet is shown: the failed accounts first, one cause a line, ages, and the same as JSON and as a page."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from html import unescape
from pathlib import Path

import pytest

from amocrm_fleet import fleet_command
from amocrm_fleet.accounts_folder import FleetAccount, add
from amocrm_fleet.fleet_page import write_page
from amocrm_fleet.processes import log_of
from amocrm_fleet.status import (
    LastPublication,
    LastSync,
    LastVerification,
    Status,
    Usage,
    age,
    record,
    status_of,
    table,
    worst_first,
)
from amocrm_warehouse.report import watch
from source_amocrm import atomic_file

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)
EQUAL = LastVerification(0, "All 1,234 rows looked at are equal.", ended="2026-11-26T10:00:00Z")
DIFFERENT = LastVerification(1, "2 differences in 7 rows.", 2, ["Read them anew."], "2026-11-24T12:00:00Z")
UNSEEN = LastVerification(2, "No answer.", ended="2026-11-27T11:30:00Z")
DONE = LastPublication(1_007, 2, ended="2026-11-27T11:50:00Z")
REFUSED = LastPublication(failure="The disk is <full>.", ended="2026-11-27T10:00:00Z")
NONE = "{}, 0 requests, 0 min, 0 s of CPU"
LONG = "The account is not paid for: " + "deals, contacts, " * 20


def put(
    folder: Path,
    name: str,
    *syncs: tuple[int, LastSync],
    verified: LastVerification | None = None,
    published: LastPublication | None = None,
) -> FleetAccount:
    """An account, its syncs, by how many minutes ago each ended, its last verification and publication."""
    account = add(folder, {"account_domain": f"{name}.amocrm.ru"}, name)
    status = Status()
    for minutes, sync in syncs:
        status = status.after(sync, NOW - timedelta(minutes=minutes))
    if syncs:
        account.beside("status.json").parent.mkdir(exist_ok=True)
        kept = {**vars(status), "last": vars(status.last), "verified": verified and vars(verified)}
        kept["published"] = published and vars(published)
        kept["usage"] = {month: vars(one) for month, one in status.usage.items()}
        atomic_file.write(account.beside("status.json"), atomic_file.json_text(kept))
    return account


def test_a_link_in_the_place_of_a_status_is_replaced(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text("mine")
    account = put(tmp_path, "north")
    place = account.beside("status.json")
    place.parent.mkdir()
    place.symlink_to(other)
    assert record(account, LastSync(rows=3)) == ""
    assert (other.read_text(), place.is_symlink(), status_of(account).last.rows) == ("mine", False, 3)


@pytest.fixture
def accounts(tmp_path: Path) -> list[FleetAccount]:
    folder = tmp_path / "accounts"
    fine = put(
        folder,
        "fine",
        (15, LastSync(1234, 120.0, [], ["It is now called south."], False, 1_200, 9.1, 12_000_000)),
        verified=EQUAL,
        published=DONE,
    )
    stale = put(folder, "stale", (60 * 24 * 3, LastSync(7, 1.0)), verified=DIFFERENT)
    new = put(folder, "new")
    refused = put(
        folder,
        "refused",
        (180, LastSync(5, 1.0)),
        (20, LastSync(failures=[f"{LONG}\nTables: deals."])),
        verified=UNSEEN,
        published=REFUSED,
    )
    dead = put(folder, "dead", *((minutes, LastSync(failures=["Access was <withdrawn>."])) for minutes in (90, 60, 30)))
    return [fine, stale, new, refused, dead]


def test_the_table(accounts: list[FleetAccount]) -> None:
    cause = f"The account is not paid for: {'deals, contacts, ' * 20}"[:109] + "…"
    assert table(worst_first(accounts), NOW).splitlines() == [
        "account  state         last sync   last good    rows  verified                   published        cause",
        "dead     failed ×3     30 min ago  never           0  never                      never            Access was "
        "<withdrawn>.",
        f"refused  failed        20 min ago  3 h ago         0  not looked at, 30 min ago  failed, 2 h ago  {cause}",
        "new      never synced  never       never           –  never                      never",
        "stale    synced        3 days ago  3 days ago      7  2 differ, 3 days ago       never",
        "fine     synced        15 min ago  15 min ago  1,234  equal, 26 h ago            10 min ago",
    ]


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (-5, "just now"), (0, "just now"), (1, "1 min ago"), (119, "119 min ago"), (120, "2 h ago"),
        (47 * 60 + 59, "47 h ago"), (48 * 60, "2 days ago"),
    ],
)  # fmt: skip
def test_ages(minutes: int, said: str) -> None:
    moment = NOW - timedelta(minutes=minutes)
    assert age(f"{moment:%Y-%m-%dT%H:%M:%SZ}", NOW) == said


def test_the_command(accounts: list[FleetAccount], capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(accounts[0].path.parent)
    assert fleet_command.main(["status", "--accounts", folder, "--only", "fine,new"]) == 0
    capsys.readouterr()
    assert fleet_command.main(["status", "--accounts", folder, "--failed"]) == 1
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["account", "dead", "refused"]
    assert fleet_command.main(["status", "--accounts", folder, "--failed", "--only", "fine"]) == 0
    assert capsys.readouterr().out == ""
    assert fleet_command.main(["status", "--accounts", folder, "--json"]) == 1
    dead, refused, *_ = json.loads(capsys.readouterr().out)
    assert dead == {
        "account": "dead", "state": "failed", "ended": "2026-11-27T11:30:00Z", "succeeded": None, "failed_in_a_row": 3,
        "last": {
            "rows": 0, "seconds": 0.0, "failures": ["Access was <withdrawn>."], "notices": [], "lasting": False,
            "requests": 0, "cpu_seconds": 0.0, "size": 0,
        },
        "verified": None, "published": None,
        "usage": {"2026-11": {"syncs": 3, "rows": 0, "requests": 0, "seconds": 0.0, "cpu_seconds": 0.0}},
        "watch": [],
    }  # fmt: skip
    assert refused["published"] == {
        "rows": 0, "tables": 0, "failure": "The disk is <full>.", "ended": "2026-11-27T10:00:00Z",
    }  # fmt: skip
    assert refused["last"]["failures"] == [f"{LONG}\nTables: deals."]
    assert fleet_command.main(["status", "--accounts", folder, "--json", "--only", "stale"]) == 0
    [stale] = json.loads(capsys.readouterr().out)
    assert stale["verified"] == {
        "code": 1, "sentence": "2 differences in 7 rows.", "differences": 2, "notices": ["Read them anew."],
        "ended": "2026-11-24T12:00:00Z",
    }  # fmt: skip


def test_the_command_tells_what_is_out_of_habit(
    accounts: list[FleetAccount], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"duckdb:///fine.duckdb": {"fine": ["Users: new 1, “Anna”", "Fields: gone 1, “Size”"], "other": ["No."]}}
    monkeypatch.setattr(watch, "watched_in", lambda database: told.get(database, {}))
    called = ["status", "--accounts", str(accounts[0].path.parent), "--to", "duckdb:///{name}.duckdb"]
    assert fleet_command.main([*called, "--only", "fine,stale"]) == 0
    assert capsys.readouterr().out.splitlines()[3:] == [
        "", "fine: Users: new 1, “Anna”", "fine: Fields: gone 1, “Size”",
    ]  # fmt: skip
    assert fleet_command.main([*called, "--only", "fine,stale", "--json"]) == 0
    sentences = {one["account"]: one["watch"] for one in json.loads(capsys.readouterr().out)}
    assert sentences == {"fine": told["duckdb:///fine.duckdb"]["fine"], "stale": []}


def test_a_sync_keeps_what_the_last_verification_found(accounts: list[FleetAccount]) -> None:
    for sync in (LastSync(1), LastSync(failures=["No."])):
        record(accounts[1], sync)
        assert status_of(accounts[1]).verified == DIFFERENT


def test_the_usage_of_a_month_adds_up_and_thirteen_months_are_kept() -> None:
    status = Status()
    for month in range(1, 12):
        for sync in (LastSync(10, 6.5, requests=7, cpu_seconds=0.2), LastSync(failures=["No."], requests=1)):
            status = status.after(sync, NOW.replace(month=month))
    assert status.usage["2026-03"] == Usage(2, 10, 8, 6.5, 0.2)
    for month in range(1, 13):
        status = status.after(LastSync(1), NOW.replace(year=2027, month=month))
    assert [*status.usage] == ["2026-11", *(f"2027-{month:02}" for month in range(1, 13))]


def test_the_page(accounts: list[FleetAccount], tmp_path: Path) -> None:
    log = log_of(accounts[-1])
    log.parent.mkdir()
    log.touch()
    page = tmp_path / "fleet.html"
    write_page(page, worst_first(accounts), NOW)
    text = page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600
    assert "2 of 5 accounts failed" in text
    rows = [
        [unescape(re.sub("<[^>]+>", "", cell)).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        for row in re.findall(r"<tr class.*?</tr>", text, re.DOTALL)
    ]
    assert rows == [
        ["dead", "failed ×3", "30 min ago", "never", "0", "never", "never", NONE.format("3 syncs"),
            "Access was <withdrawn>.", "log"],
        [
            "refused", "failed", "20 min ago", "3 h ago", "0", "not looked at, 30 min ago", "failed, 2 h ago",
            NONE.format("2 syncs"),
            f"{LONG}\nTables: deals.", "",
        ],
        ["new", "never synced", "never", "never", "–", "never", "never", "–", "", ""],
        ["stale", "synced", "3 days ago", "3 days ago", "7", "2 differ, 3 days ago", "never",
            NONE.format("1 sync"), "", ""],
        [
            "fine", "synced", "15 min ago", "15 min ago", "1,234", "equal, 26 h ago", "10 min ago",
            "1 sync, 1,200 requests, 2 min, 9 s of CPU, 12 MB", "It is now called south.", "",
        ],
    ]  # fmt: skip
    assert '<td class="differs" title="2 differences in 7 rows.">' in text
    assert '<td class="differs" title="The disk is &lt;full&gt;.">' in text
    assert 'href="accounts/.fleet/logs/dead.log"' in text
    assert re.findall(r"https?://", text) == []


def test_the_page_cannot_be_written(accounts: list[FleetAccount], capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(accounts[0].path.parent)
    assert fleet_command.main(["page", "--accounts", folder, "--out", "/proc/fleet.html"]) == 2
    assert capsys.readouterr().err == "/proc/fleet.html cannot be written: No such file or directory.\n"


def test_differences_that_wait_for_a_sync_are_neither_equal_nor_different() -> None:
    verdicts = [LastVerification(code, "", 1_234).verdict for code in range(4)]
    assert verdicts == ["equal", "1,234 differ", "not looked at", "waits for a sync"]
