"""Ctrl-C says what is true of the command that it ended."""

from __future__ import annotations

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
