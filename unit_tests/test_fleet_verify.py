"""Verifications of a fleet: each account in its own process, its result kept in its status."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from amocrm_fleet import fleet_command
from amocrm_fleet.accounts_folder import FleetAccount, add
from amocrm_fleet.locks import account_held
from amocrm_fleet.status import LastSync, record, status_of
from testing.fake_loader import FakeVerifying

EQUAL = "All 7 rows looked at are equal; 0 tables of 1 were looked at in part."
DIFFERENT = "2 differences in 7 rows looked at: deals (2 missing). 0 tables of 1 were looked at in part."


def account(tmp_path: Path, name: str) -> FleetAccount:
    return add(tmp_path / "accounts", {"account_domain": "example.amocrm.ru"}, name)


def test_each_is_verified_by_itself_and_its_status_keeps_the_result(tmp_path: Path) -> None:
    names = ("differs", "fine", "killed", "refused")
    of = {name: account(tmp_path, name) for name in names}
    record(of["fine"], LastSync(5))
    fleet = FakeVerifying("duckdb:///{name}.duckdb", 9)
    found = {one.name: result for one, result in fleet.each(of.values(), 2)}
    assert {name: (one.code, one.sentence) for name, one in found.items()} == {
        "differs": (1, DIFFERENT),
        "fine": (0, EQUAL),
        "killed": (2, "The verification ended with -9 and said nothing."),
        "refused": (2, "The database cannot be opened: no."),
    }
    assert "sync --refresh deals" in found["differs"].notices[0]
    for name, one in of.items():
        kept = status_of(one).verified
        assert kept
        assert (kept.code, kept.sentence, kept.differences) == (
            found[name].code,
            found[name].sentence,
            found[name].differences,
        )
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", kept.ended)
    assert status_of(of["fine"]).last.rows == 5, "a verification is no sync"
    asked = sorted((tmp_path / "asked").read_text().splitlines())
    assert asked[0] == "differs.json in duckdb:///differs.duckdb as differs: 9"


def test_one_that_is_being_synced_is_tried_again_and_then_said(tmp_path: Path) -> None:
    fine, held = account(tmp_path, "fine"), account(tmp_path, "held")
    with account_held(held):
        found = [(one.name, result.code) for one, result in FakeVerifying("x", None).each([held, fine])]
        assert found == [("fine", 0), ("held", 2)]
    assert status_of(held).verified is None
    assert [one for one, _ in FakeVerifying("x", None).each([held])] == [held]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("differs", "fine"):
        account(tmp_path, name)
    monkeypatch.setattr(fleet_command, "Verifying", lambda to, requests: FakeVerifying(to, requests))
    options = ["verify", "--accounts", str(tmp_path / "accounts"), "--to", "postgresql://user@host/crm"]
    assert fleet_command.main(options) == 1
    said = capsys.readouterr().out
    assert f"differs: {DIFFERENT}\n" in said
    assert f"fine: {EQUAL}\n" in said
    assert said.endswith("\n1 of 2 accounts equal their tables, as far as these were looked at. Not: differs.\n")
    assert fleet_command.main([*options, "--only", "fine"]) == 0
