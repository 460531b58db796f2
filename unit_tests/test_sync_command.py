"""`sync --every`: rounds at a steady pace, an error that ends no later round, and a signal that ends them all."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amocrm_warehouse.sync import Outcome, sync_command
from source_amocrm.shutdown import INTERRUPTED, READ_IS_KEPT

SYNC = ["--config", "config.json", "--project", "1"]


class Clock:
    """The clock of the command: only sleeping and a sync move it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(sync_command, "time", made)
    before = signal.getsignal(signal.SIGTERM)
    yield made
    signal.signal(signal.SIGTERM, before)


def rounds(monkeypatch: pytest.MonkeyPatch, clock: Clock, *ends: float | Exception) -> list[dict[str, Any]]:
    """Each sync takes so many seconds or fails so; the one after them meets SIGTERM."""
    left, calls = list(ends), list[dict[str, Any]]()

    def sync(config: Path, **options: Any) -> Outcome:
        calls.append({"config": config, **options})
        if not left:
            os.kill(os.getpid(), signal.SIGTERM)
            clock.now += 1  # the handler runs between two steps
            raise AssertionError("SIGTERM has not ended it")
        if isinstance(end := left.pop(0), Exception):
            raise end
        clock.now += end
        return Outcome(Counter(deals=3), totals={"deals": 7}, errors=["amoCRM failed."] if end == 13 else [])

    monkeypatch.setattr(sync_command, "sync", sync)
    return calls


def test_rounds_begin_a_period_apart_and_errors_end_none(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = rounds(monkeypatch, clock, 5, 13, ValueError("The database cannot be opened: no."), 13, 100, 13)
    assert sync_command.main([*SYNC, "--every", "60"]) == INTERRUPTED
    assert clock.naps == [55, 47, 60, 47, 0, 47]
    assert len(calls) == 7
    assert {call["project"] for call in calls} == {"1"}
    told = capsys.readouterr()
    said = [re.sub(r"^[\d-]{10} [\d:]{8}  ", "", line) for line in told.out.splitlines()]
    assert said[1:] == [
        "table            rows read  in the table",
        "amocrm_1_deals           3             7",
        "",
        "3 rows in 0.0 s",
        "3 rows in 0.0 s: deals 3; not complete",
        "3 rows in 0.0 s: deals 3; not complete",
        "3 rows in 0.0 s: deals 3",
        "3 rows in 0.0 s: deals 3; not complete",
    ]
    # a sentence of the round before is not repeated
    assert re.sub(r"\d{4}-\S+ \S+", "now", told.err) == (
        "\namoCRM failed.\nnow  This round failed:\nThe database cannot be opened: no.\n\namoCRM failed.\n"
        f"{READ_IS_KEPT}\n"
    )


def test_a_sync_that_is_told_to_end_says_what_is_kept(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    rounds(monkeypatch, clock)
    assert sync_command.main(SYNC) == INTERRUPTED
    assert capsys.readouterr().err == f"{READ_IS_KEPT}\n"


def test_a_mistake_ends_the_first_round(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = rounds(monkeypatch, clock, ValueError("There is no stream “deal”."))
    assert sync_command.main([*SYNC, "--every", "60"]) == 2
    assert len(calls) == 1
    assert capsys.readouterr().err == "There is no stream “deal”.\n"


def test_plans_that_cannot_be_read_are_told_before_the_account_is_read(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = rounds(monkeypatch, clock)
    plans = tmp_path / "plans.csv"
    plans.write_text("month,plan\n", encoding="utf-8")
    for path, sentence in (
        (plans, f"The first line of {plans} must name the columns project_id,month,responsible_user_id,plan; it has"),
        (tmp_path / "none.csv", f"There is no file {tmp_path}/none.csv. Correct its path."),
    ):
        assert sync_command.main([*SYNC, "--report", "--plans", str(path)]) == 2
        assert capsys.readouterr().err.startswith(sentence)
    assert calls == []


def test_a_config_that_others_could_read_is_made_private_before_the_sync(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.json"
    config.write_text("{}")
    config.chmod(0o644)
    calls = rounds(monkeypatch, clock, 1)
    assert sync_command.main(["--config", str(config), "--project", "1"]) == 0
    assert (len(calls), config.stat().st_mode & 0o777) == (1, 0o600)
    assert capsys.readouterr().err == (
        f"Others could read the config {config} and its token; now its owner alone can (mode 600).\n"
    )


@pytest.mark.parametrize("period", ["29", "0", "-60", "1.5", "x"])
def test_a_period_is_at_least_half_a_minute(period: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sync_command.main([*SYNC, f"--every={period}"])
    assert capsys.readouterr().err.endswith("argument --every: a number of seconds, 30 or more\n")


def test_the_marts_follow_each_round_and_no_browser_opens(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    from amocrm_warehouse import this_machine
    from amocrm_warehouse.report import report_command

    built: list[str] = []

    def after_sync(_: str, project: str, *__: Any) -> Path:
        built.append(project)
        return Path("/report.html")

    monkeypatch.setattr(report_command, "after_sync", after_sync)
    monkeypatch.setattr(this_machine, "show", lambda _: pytest.fail("a browser"))
    rounds(monkeypatch, clock, 5, 5)
    assert sync_command.main([*SYNC, "--every", "30", "--report"]) == INTERRUPTED
    assert built == ["1", "1"]
    assert capsys.readouterr().out.count("\nThe report: /report.html\n") == 1
