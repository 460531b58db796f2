"""config.json: whole, private, never overwritten by accident."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from source_amocrm.atomic_file import may_be_written
from source_amocrm.connect.connect_flow import read_config, renewed, write_config
from source_amocrm.connect.connect_words import Problem

SETTINGS: dict[str, Any] = {"account_domain": "example.amocrm.ru", "credentials": {"access_token": "ключ"}}


def test_a_new_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_config(tmp_path / "config.json", SETTINGS, replace=False)
    finally:
        os.umask(before)
    file = tmp_path / "config.json"
    assert json.loads(file.read_text(encoding="utf-8")) == SETTINGS
    assert "ключ" in file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text("old")
    with pytest.raises(Problem) as caught:
        write_config(file, SETTINGS, replace=False)
    assert (caught.value.key, caught.value.params) == ("file_exists", {"path": str(file)})
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


def test_a_file_that_is_replaced_becomes_private(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text("old")
    file.chmod(0o644)
    write_config(file, SETTINGS, replace=True)
    assert read_config(file) == SETTINGS
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "config.json").symlink_to("secrets/config.json")
    write_config(tmp_path / "config.json", SETTINGS, replace=False)
    assert (tmp_path / "config.json").is_symlink()
    assert read_config(tmp_path / "secrets" / "config.json") == SETTINGS


@pytest.mark.parametrize("old", ["old", None])
def test_a_failure_leaves_what_was_there(old: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.json"
    if old:
        file.write_text(old)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Problem) as caught:
        write_config(file, SETTINGS, replace=bool(old))
    assert (caught.value.key, caught.value.detail) == ("file_not_written", "No space left on device")
    assert {entry.name: entry.read_text() for entry in tmp_path.iterdir()} == ({file.name: old} if old else {})


def test_a_folder_that_is_not_there_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "config.json"
    assert may_be_written(file)
    write_config(file, SETTINGS, replace=False)
    assert read_config(file) == SETTINGS
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_no_place_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not may_be_written(tmp_path)
    assert not may_be_written(tmp_path / "file" / "config.json")
    with pytest.raises(Problem) as caught:
        write_config(tmp_path / "file" / "config.json", SETTINGS, replace=False)
    assert (caught.value.key, caught.value.detail) == ("file_not_written", "Not a directory")


ODD = ["pipe", "/dev/null", "/dev/stdin", "n" * 300, "n\0n", "/".join("d" * 3000), "loop/config.json"]


@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
def test_what_can_hold_no_settings(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    file = tmp_path / name
    assert not may_be_written(file)
    assert not read_config(file)


def test_folders_in_folders_are_all_for_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path.joinpath(*"d" * 1200, "config.json")
    assert may_be_written(file)
    write_config(file, SETTINGS, replace=False)
    assert read_config(file) == SETTINGS
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in file.parents[:1200]} == {0o700}
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)  # deeper than Python's own can go


def test_the_longest_name_that_a_file_can_have(tmp_path: Path) -> None:
    file = tmp_path / ("n" * 255)
    write_config(file, SETTINGS, replace=False)
    assert read_config(file) == SETTINGS


def test_a_file_that_is_no_settings_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "deep").write_text("[" * 100_000)
    (tmp_path / "large").write_text(f'{{"a": "{"a" * (1 << 24)}"}}')
    assert (read_config(tmp_path / "deep"), read_config(tmp_path / "large")) == ({}, {})


@pytest.mark.parametrize(
    ("content", "held"), [(None, {}), ("{", {}), ("[]", {}), ('{"a": 1}', {"a": 1}), ('\ufeff{"a": 1}', {"a": 1})]
)
def test_what_is_there(tmp_path: Path, content: str | None, held: object) -> None:
    file = tmp_path / "config.json"
    if content is not None:
        file.write_text(content)
    assert read_config(file) == held


def test_what_a_person_set_stays_with_the_account() -> None:
    held = {**SETTINGS, "credentials": {}, "start_date": "2024-01-01", "api_base_url": "http://127.0.0.1:1"}
    assert renewed(held, SETTINGS) == {**SETTINGS, "start_date": "2024-01-01"}
    for same in ("https://example.amocrm.ru/leads", "Example"):
        assert renewed({**held, "account_domain": same}, SETTINGS) == {
            **SETTINGS,
            "start_date": "2024-01-01",
        }
    for other in ("other.amocrm.ru", "", 5):
        assert renewed({**held, "account_domain": other}, SETTINGS) == SETTINGS
    assert renewed(None, SETTINGS) == SETTINGS
