"""The line at the end: a shell reads out of it what was meant, and the command takes it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from source_amocrm.connect import connect_flow
from source_amocrm.connect.connect_flow import next_line

ODD = [
    "config.json",
    "with space.json",
    "it's.json",
    "a$HOME$(x).json",
    "файл.json",
    "-x.json",
    'q".json',
    "a;b&c.json",
]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the connector is installed."""
    monkeypatch.setattr(connect_flow, "find_spec", lambda _: None)


@pytest.mark.parametrize("name", ODD)
def test_a_sync_where_the_loader_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect_flow, "find_spec", lambda _: object())
    monkeypatch.chdir(tmp_path)
    command, *arguments = shlex.split(next_line(Path(name), 31450002))
    assert arguments == ["sync", "--config", str(tmp_path / name), "--project", "31450002"]
    assert command == str(Path(sys.executable).with_name("source-amocrm"))
    assert shlex.split(next_line(Path(name), None))[1:] == ["sync", "--config", str(tmp_path / name)]


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", ODD)
def test_a_check_where_only_the_connector_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command, *arguments = shlex.split(next_line(Path(name), 1001))
    assert arguments == ["check", "--config", str(tmp_path / name)]
    assert Path(command).is_file()


@pytest.mark.usefixtures("alone")
def test_the_command_that_is_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "source-amocrm").touch(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["bin/source-amocrm", "connect"])
    line = next_line(Path("c.json"), None)
    assert line == f"{tmp_path}/bin/source-amocrm check --config {tmp_path}/c.json"
