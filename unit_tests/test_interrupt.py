"""Ctrl-C says what is true of the command that it ended."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from amocrm_warehouse import interrupt, models_command
from amocrm_warehouse.report import report_command
from source_amocrm.shutdown import INTERRUPTED

COMMANDS = {
    "report": (report_command, "Models that were built stay, the others and the report are as before."),
    "models": (models_command, "Models that were built stay, the others are as before."),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_stopped_command_says_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    command: ModuleType
    command, sentence = COMMANDS[name]

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "build_from", stopped)
    monkeypatch.setattr(interrupt.UNINTERRUPTED, "met", True)
    monkeypatch.setattr(interrupt.UNINTERRUPTED, "sentence", "")
    assert command.main(["--to", f"duckdb:///{tmp_path}/crm.duckdb"]) == INTERRUPTED
    assert capsys.readouterr().err == f"\nStopped. {sentence}\n"


def test_what_was_said_before_stands_before_it_also_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("w") as out, path.open("a") as errors:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", errors)
        monkeypatch.setattr(interrupt.UNINTERRUPTED, "sentence", "Stopped.")
        print("31 rows in 11.0 s")
        interrupt.UNINTERRUPTED.tell()
    assert path.read_text() == "31 rows in 11.0 s\nStopped.\n"
