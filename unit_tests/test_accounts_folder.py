"""A folder of accounts: names, references, and tokens that were rotated."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from amocrm_fleet.accounts_folder import FleetAccount, accounts, add
from source_amocrm.config_file import ConfigFileError

OAUTH: dict[str, Any] = {
    "account_domain": "north.amocrm.ru",
    "credentials": {
        "auth_type": "oauth2.0",
        "client_id": "id",
        "client_secret": {"env": "NORTH_SECRET"},
        "redirect_uri": "https://example.com/",
        "refresh_token": {"file": "TOKEN"},
    },
    "start_date": "2024-01-01T00:00:00Z",
}


def config(domain: str, token: str = "a-token") -> dict[str, Any]:
    return {"account_domain": domain, "credentials": {"auth_type": "long_lived_token", "access_token": token}}


@pytest.fixture
def referring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FleetAccount:
    """An account whose secret is in the environment and whose refresh token is in a file."""
    monkeypatch.setenv("NORTH_SECRET", "secret-1")
    (tmp_path / "token").write_text("refresh-1\n")
    credentials = {**OAUTH["credentials"], "refresh_token": {"file": str(tmp_path / "token")}}
    return add(tmp_path / "accounts", {**OAUTH, "credentials": credentials})


def rotated(account: FleetAccount, number: int) -> dict[str, Any]:
    settings = account.settings()
    new = {"refresh_token": f"refresh-{number}", "access_token": f"access-{number}"}
    return {**settings, "credentials": {**settings["credentials"], **new}}


def test_an_account_is_called_as_its_address_begins(tmp_path: Path) -> None:
    added = add(tmp_path / "accounts", config("North-East.amocrm.ru"))
    assert (added.name, added.project) == ("north-east", "north_east")
    assert added.path.name == "north-east.json"
    assert added.settings() == config("North-East.amocrm.ru")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (added.path, added.path.parent)] == [0o600, 0o700]
    assert accounts(tmp_path / "accounts") == [added]


def test_an_account_that_is_there_is_replaced_only_when_that_is_meant(tmp_path: Path) -> None:
    add(tmp_path, config("north.amocrm.ru", "one"))
    with pytest.raises(ConfigFileError) as caught:
        add(tmp_path, config("north.amocrm.ru", "two"))
    assert str(caught.value) == f"There is an account “north” in {tmp_path} already."
    [account] = accounts(tmp_path)
    assert account.settings()["credentials"]["access_token"] == "one"
    assert add(tmp_path, config("north.amocrm.ru", "two"), replace=True) == account
    assert account.settings()["credentials"]["access_token"] == "two"


def test_a_disk_that_fails_leaves_no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        add(tmp_path, config("north.amocrm.ru"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../north", "a b", ".north", "a" * 41, "север", "a/b"])
def test_names_that_no_account_may_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError) as caught:
        add(tmp_path / "accounts", config("north.amocrm.ru"), name)
    assert str(caught.value) == f"An account cannot be called “{name}”: letters, digits, - and _ only, 40 at most."
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_such_a_name_stops_no_other_account(tmp_path: Path) -> None:
    add(tmp_path, config("north.amocrm.ru"))
    (tmp_path / "north (1).json").write_text("{}")
    odd, north = accounts(tmp_path)
    assert north.settings()["account_domain"] == "north.amocrm.ru"
    with pytest.raises(ConfigFileError) as caught:
        odd.settings()
    assert str(caught.value) == (
        "An account cannot be called “north (1)”: letters, digits, - and _ only, 40 at most. Rename "
        f"{tmp_path / 'north (1).json'}."
    )


def test_two_accounts_never_write_the_same_tables(tmp_path: Path) -> None:
    add(tmp_path, config("north-east.amocrm.ru"))
    sentence = (
        f"The accounts “north-east” and “North_East” of {tmp_path} would write the same tables, amocrm_north_east_…. "
        "Rename one of them."
    )
    with pytest.raises(ConfigFileError) as caught:
        add(tmp_path, config("north.kommo.com"), "North_East")
    assert str(caught.value) == sentence
    (tmp_path / "North_East.json").write_text("{}")
    with pytest.raises(ConfigFileError, match="would write the same tables"):
        accounts(tmp_path)


def test_what_is_no_config_is_no_account(tmp_path: Path) -> None:
    account = add(tmp_path, config("north.amocrm.ru"))
    for name in ("notes.txt", ".north.json.new", ".hidden.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "coming.json").touch()
    assert accounts(tmp_path) == accounts(tmp_path, ["north"]) == [account]
    with pytest.raises(ConfigFileError, match=r"There is no account “south” in .*: it would be .*/south\.json\.$"):
        accounts(tmp_path, ["south"])
    with pytest.raises(ConfigFileError, match=r"it would be .*/nort\.json\. Did you mean north\?$"):
        accounts(tmp_path, ["nort"])
    with pytest.raises(ConfigFileError, match=r"The folder .* cannot be read: No such file or directory"):
        accounts(tmp_path / "none")


def test_a_config_that_others_can_read_is_made_its_owner_s_alone_or_refused(
    tmp_path: Path, referring: FleetAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = add(tmp_path, config("south.amocrm.ru")).path
    account = FleetAccount(path)
    assert account.make_private() == []
    path.chmod(0o640)
    assert account.make_private() == [
        f"Others could read the config {path} and its token; now its owner alone can (mode 600)."
    ]
    assert (path.stat().st_mode & 0o777, account.make_private()) == (0o600, [])
    referring.path.chmod(0o644)
    assert (referring.make_private(), referring.path.stat().st_mode & 0o777) == ([], 0o644)
    path.chmod(0o640)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chmod", refuse)
    with pytest.raises(ConfigFileError) as caught:
        account.make_private()
    assert str(caught.value) == f"Others can read the config {path} and its token: chmod 600 {path}."


def test_references_stand_for_values(referring: FleetAccount) -> None:
    settings = referring.settings()
    assert settings["credentials"] == {
        **OAUTH["credentials"], "client_secret": "secret-1", "refresh_token": "refresh-1",
    }  # fmt: skip
    assert referring.written()["credentials"]["client_secret"] == {"env": "NORTH_SECRET"}


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ({"env": "NOWHERE"}, "start_date is in the environment variable NOWHERE, which is not set."),
        ({"file": "/no/such"}, "start_date is in the file /no/such, which cannot be read: No such file or directory."),
        ({"file": "/dev/null"}, "start_date is in the file /dev/null, which cannot be read: it is no regular file."),
        ({"env": 5}, 'start_date names no variable: {"env": "NAME"}.'),
        ({"file": ""}, 'start_date names no file: {"file": "NAME"}.'),
    ],
)
def test_references_that_lead_nowhere(reference: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    account = add(tmp_path, {**config("north.amocrm.ru"), "start_date": reference})
    with pytest.raises(ConfigFileError) as caught:
        account.settings()
    assert str(caught.value) == sentence


def test_a_rotated_token_replaces_the_config(tmp_path: Path) -> None:
    plain = {**OAUTH["credentials"], "client_secret": "secret", "refresh_token": "refresh-1"}
    account = add(tmp_path, {**OAUTH, "credentials": plain})
    new = rotated(account, 2)
    account.keep(account.settings(), new)
    assert account.settings() == account.written() == new
    assert [path.name for path in tmp_path.iterdir()] == ["north.json"]


def test_a_reference_is_not_overwritten(referring: FleetAccount) -> None:
    before = referring.path.read_bytes()
    for number in (2, 3):
        new = rotated(referring, number)
        referring.keep(referring.settings(), new)
        assert referring.settings() == new
    assert referring.path.read_bytes() == before
    state = referring.rotated
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert json.loads(state.read_text())["settings"] == {
        "credentials": {"refresh_token": "refresh-3", "access_token": "access-3"}
    }


def test_a_new_grant_where_the_reference_leads_wins_over_what_was_rotated(
    referring: FleetAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    referring.keep(referring.settings(), {**rotated(referring, 2), "account_domain": "renamed.amocrm.ru"})
    monkeypatch.setenv("NORTH_SECRET", "secret-2")
    settings = referring.settings()
    assert settings["account_domain"] == "renamed.amocrm.ru"
    assert settings["credentials"]["client_secret"] == "secret-2", "not changed by amoCRM"
    assert settings["credentials"]["refresh_token"] == "refresh-2"
    (tmp_path / "token").write_text("granted-again")
    settings = referring.settings()
    assert settings["account_domain"] == "north.amocrm.ru"
    assert settings["credentials"]["refresh_token"] == "granted-again"
    assert "access_token" not in settings["credentials"]


def test_a_state_that_is_broken_is_told_of_and_not_passed_over(referring: FleetAccount) -> None:
    referring.keep(referring.settings(), rotated(referring, 2))
    referring.rotated.write_text("{")
    with pytest.raises(ConfigFileError, match=r"The newest token of north is in .*rotated.json, which cannot be read"):
        referring.settings()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("[]", "must be a JSON object"), ("{", "is not JSON: Expecting .* in line 1"), (b"\xff", "not UTF-8")],
)
def test_configs_that_are_none(text: str | bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "north.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigFileError, match=sentence):
        FleetAccount(path).settings()
