"""The line at the end: a shell and make read out of it what was meant."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from source_amocrm.connect import next_step
from source_amocrm.connect.next_step import CLONE, next_line

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


@pytest.mark.parametrize("name", ODD)
def test_a_sync_where_the_repository_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / name
    config.write_text("{}")
    line = next_line(config, 31450002)
    assert line.startswith("make ")
    # what would be run, from another folder
    dry = line.replace("make ", "make --dry-run --assume-old=.venv/.ready --assume-old=.venv-pyairbyte/.ready ", 1)
    done = subprocess.run(["bash", "-c", dry], cwd=tmp_path, capture_output=True, text=True, check=True)
    [run] = [text for text in done.stdout.splitlines() if "demo.sync" in text]
    assert shlex.split(run)[-4:] == ["--config", str(config), "--project", "31450002"]


def test_in_the_repository_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CLONE)
    assert next_line(Path("config.json"), 1001) == f"make sync CONFIG={CLONE}/config.json PROJECT=1001"
    assert next_line(tmp_path / "config.json", None) == f"make sync CONFIG={tmp_path}/config.json"


@pytest.mark.parametrize("name", ODD)
def test_a_check_where_only_the_connector_is(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next_step, "CLONE", tmp_path)
    monkeypatch.chdir(tmp_path)
    command, *arguments = shlex.split(next_line(Path(name), 1001))
    assert arguments == ["check", "--config", str(tmp_path / name)]
    assert command == str(Path(sys.executable).with_name("source-amocrm"))
    assert Path(command).is_file()


def test_the_command_that_is_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next_step, "CLONE", tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "source-amocrm").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["bin/source-amocrm", "connect"])
    line = next_line(Path("c.json"), None)
    assert line == f"{tmp_path}/bin/source-amocrm check --config {tmp_path}/c.json"
