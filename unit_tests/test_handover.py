"""Rotated tokens reach the config file, or the old ones are not spent; what others wrote there meanwhile stays."""

from __future__ import annotations

import errno
import json
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from source_amocrm.auth import FileKeeper
from source_amocrm.config_file import ConfigFile
from source_amocrm.errors import AmocrmError, ConfigError
from testing.http_tools import oauth
from testing.oauth_endpoint import Endpoint, start


@pytest.fixture
def file(tmp_path: Path) -> ConfigFile:
    path = tmp_path / "north.json"
    path.write_text(json.dumps(oauth()), encoding="utf-8")
    return ConfigFile(path)


def full(monkeypatch: pytest.MonkeyPatch, calls: int = 0) -> None:
    """A disk that takes so many writes more."""
    real, left = os.write, iter(range(calls))

    def write(number: int, data: Any) -> int:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(number, data)

    monkeypatch.setattr(os, "write", write)


def test_each_new_token_is_in_the_file(file: ConfigFile) -> None:
    endpoint = Endpoint()
    auth = start(file.settings(), endpoint, hand_over=FileKeeper(file))
    for number in range(1, 4):
        token = auth.renew(auth.token)
        kept = file.written()["credentials"]
        assert (kept["refresh_token"], kept["access_token"]) == (f"refresh-{number:04}", token)
    assert os.listdir(file.path.parent) == ["north.json"]


def test_a_disk_without_room_spends_no_token(file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint()
    auth = start(file.settings(), endpoint, hand_over=FileKeeper(file))
    before = file.path.read_text()
    with monkeypatch.context() as patch:
        full(patch)
        with pytest.raises(ConfigError) as caught:
            auth.get_access_token()
    assert str(caught.value) == (
        f"The token was not renewed, because the new one could not be kept: {file.path} cannot be written: No space "
        "left on device. Nothing is lost: mend that, and run it again."
    )
    assert endpoint.valid == 0
    assert file.path.read_text() == before
    assert start(file.settings(), endpoint, hand_over=FileKeeper(file)).get_access_token() == "access-0001"


def test_room_that_was_proved_is_kept(file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token takes the place of the draft: blocks that are on the disk are written over."""
    asked: list[int] = []
    real = os.open

    def watched(path: Any, flags: int, mode: int = 0o777) -> int:
        asked.append(flags & os.O_TRUNC)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", watched)
    start(file.settings(), Endpoint(), hand_over=FileKeeper(file)).get_access_token()
    assert asked
    assert not any(asked)


def test_a_token_that_could_not_be_kept_after_all_ends_in_an_error(
    file: ConfigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    keeper = FileKeeper(file, then=lambda config: told.append(deepcopy(dict(config))))
    auth = start(file.settings(), Endpoint(), hand_over=keeper)
    full(monkeypatch, 1)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"the old one is void, and .*north.json could not be written: No space"):
            auth.renew(auth.token)
    assert [config["credentials"]["refresh_token"] for config in told] == ["refresh-0001"]


def test_a_config_that_cannot_be_read_spends_no_token(file: ConfigFile) -> None:
    endpoint, settings = Endpoint(), file.settings()
    file.path.write_text("{")
    auth = start(settings, endpoint, hand_over=FileKeeper(file))
    with pytest.raises(ConfigError, match="The token was not renewed"):
        auth.get_access_token()
    assert endpoint.valid == 0


def test_what_others_changed_meanwhile_stays(file: ConfigFile) -> None:
    auth = start(file.settings(), Endpoint(), hand_over=FileKeeper(file))
    auth.get_access_token()
    file.path.write_text(json.dumps({**file.written(), "start_date": "2025-01-01", "mine": {"a": 1}}))
    auth.renew(auth.token)
    kept = file.written()
    assert (kept["start_date"], kept["mine"]) == ("2025-01-01", {"a": 1})
    assert kept["credentials"]["refresh_token"] == "refresh-0002"


def test_a_new_grant_is_not_overwritten(file: ConfigFile, caplog: pytest.LogCaptureFixture) -> None:
    auth = start(file.settings(), Endpoint(), hand_over=FileKeeper(file))
    auth.get_access_token()
    granted = oauth(refresh_token="granted-anew", access_token="new")
    file.path.write_text(json.dumps(granted))
    for _ in range(2):
        auth.renew(auth.token)
        assert file.written() == granted
    assert "Access was granted anew while this ran" in caplog.text


def test_of_two_runs_with_one_config_the_later_says_that_the_token_is_renewed(file: ConfigFile) -> None:
    endpoint = Endpoint()
    first, second = (start(file.settings(), endpoint, hand_over=FileKeeper(file)) for _ in range(2))
    assert first.get_access_token() == "access-0001"
    with pytest.raises(AmocrmError) as caught:
        second.get_access_token()
    assert str(caught.value) == (
        f"Another run with {file.path} has renewed the token meanwhile, and the new one is there. Nothing is lost: run "
        "it again."
    )
    assert start(file.settings(), endpoint, hand_over=FileKeeper(file)).get_access_token() == "access-0001"


def test_a_file_that_is_mounted_by_itself_keeps_each_token(file: ConfigFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rename replaces such a file, and what is written beside it is gone with the container."""

    def refuse(*_: Any) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(os, "replace", refuse)
    endpoint = Endpoint()
    for number in range(1, 4):
        auth = start(file.settings(), endpoint, hand_over=FileKeeper(file))
        auth.renew(auth.token)
        assert json.loads(file.path.read_text())["credentials"]["refresh_token"] == f"refresh-{number:04}"
        assert os.listdir(file.path.parent) == ["north.json"]


@pytest.mark.parametrize(("number", "cause"), [(errno.EPERM, "not permitted"), (errno.EROFS, "Read-only file system")])
def test_a_file_that_can_be_neither_replaced_nor_written_spends_no_token(
    number: int, cause: str, file: ConfigFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `chattr +i`, and for a file that is mounted by itself, read-only."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "chmod", refuse)
    endpoint = Endpoint()
    auth = start(file.settings(), endpoint, hand_over=FileKeeper(file))
    with pytest.raises(ConfigError, match=rf"^The token was not renewed, .*north.json cannot be written: .*{cause}\."):
        auth.get_access_token()
    assert endpoint.valid == 0


def test_an_older_token_that_somebody_put_back_gives_way(file: ConfigFile) -> None:
    """The run has spent that token itself, so its own is the only one that still works."""
    before = file.path.read_text()
    auth = start(file.settings(), Endpoint(), hand_over=FileKeeper(file))
    for number in range(1, 4):
        auth.renew(auth.token)
        assert file.written()["credentials"]["refresh_token"] == f"refresh-{number:04}"
        file.path.write_text(before)
    auth.renew(auth.token)
    assert file.written()["credentials"]["refresh_token"] == "refresh-0004"
