"""Publications of a fleet: each account in its own process, its outcome kept in its status."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyarrow import parquet

from amocrm_fleet import fleet_command
from amocrm_fleet.accounts_folder import FleetAccount, add
from amocrm_fleet.locks import account_held
from amocrm_fleet.status import LastSync, LastVerification, record, record_verification, status_of
from testing import small_marts
from testing.fake_loader import FakePublishing
from testing.leaks import clean

SAID = "1,007 rows of 2 tables are in the warehouse."


def account(tmp_path: Path, name: str) -> FleetAccount:
    return add(tmp_path / "accounts", {"account_domain": "example.amocrm.ru"}, name)


def test_each_is_published_by_itself_and_its_status_keeps_the_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ("broken", "fine", "held", "killed", "refused")
    of = {name: account(tmp_path, name) for name in names}
    record(of["fine"], LastSync(5))
    record_verification(of["fine"], LastVerification(0, "Equal."))
    fleet = FakePublishing("duckdb:///{name}.duckdb", "s3://lake", ("deals", "funnel"))
    with account_held(of["held"]):
        done = {one.name: outcome for one, outcome in fleet.each(of.values(), 2)}
    assert {name: one.sentence for name, one in done.items() if name != "held"} == {
        "broken": "ZeroDivisionError: integer division or modulo by zero",
        "fine": SAID,
        "killed": "The publication ended with -9 and said nothing.",
        "refused": "The database cannot be opened: no.",
    }
    assert re.match("held is being synced|Another ", done["held"].failure), done["held"].failure
    assert status_of(of["held"]).published is None
    for name in ("broken", "fine", "killed", "refused"):
        kept = status_of(of[name]).published
        assert kept
        assert (kept.sentence, bool(kept.failure)) == (done[name].sentence, name != "fine")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", kept.ended)
    asked = sorted((tmp_path / "asked").read_text().splitlines())
    assert asked == [
        f"{name} of duckdb:///{name}.duckdb into s3://lake: deals,funnel"
        for name in ("broken", "fine", "killed", "refused")
    ]
    fine = status_of(of["fine"])
    assert (fine.last.rows, fine.verified and fine.verified.sentence) == (5, "Equal.")
    record(of["fine"], LastSync(6))
    assert status_of(of["fine"]).published == fine.published, "a sync keeps it"


def test_the_marts_of_two_accounts_lie_in_one_lake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command; a third account has not been read yet."""
    for name in ("new", "north", "south-east"):
        account(tmp_path, name)
    small_marts.build(f"{tmp_path}/crm.duckdb", ["north", "south_east"])
    options = ["publish", "--accounts", f"{tmp_path}/accounts", "--from", f"duckdb:///{tmp_path}/crm.duckdb"]
    monkeypatch.setenv("PUBLISH_TO", f"file://{tmp_path}/lake")
    monkeypatch.setenv("PUBLISH_ONLY", "deals,funnel")
    assert fleet_command.main(options) == 1
    assert sorted(clean(capsys.readouterr().out).splitlines()) == [
        "",
        f"2 of 3 accounts are in file://{tmp_path}/lake. Not: new.",
        "new: There is no project new in this database. There are: north, south_east.",
        "north: 4 rows of 2 tables are in the warehouse.",
        "south-east: 4 rows of 2 tables are in the warehouse.",
    ]
    files = sorted(path.relative_to(tmp_path / "lake").as_posix() for path in (tmp_path / "lake").rglob("*.parquet"))
    assert files == [
        f"amocrm_marts/{table}/project_id={name}/{table}.parquet"
        for table in ("deals", "funnel")
        for name in ("north", "south_east")
    ]
    assert parquet.read_metadata(tmp_path / "lake" / files[0]).num_rows == 3
    assert fleet_command.main([*options, "--only", "north", "--publish-only", "funnel"]) == 0
    assert "north: 1 row of 1 table is in the warehouse." in capsys.readouterr().out


def test_a_fleet_without_a_warehouse_is_told_to_name_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    account(tmp_path, "north")
    assert fleet_command.main(["publish", "--accounts", f"{tmp_path}/accounts"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "Name the warehouse: --to postgresql://user@host:port/name, or PUBLISH_TO in the environment."
    )
