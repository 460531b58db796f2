"""What a command shows while it runs: one line that changes on a terminal, lines that stay in a file."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from amocrm_warehouse.live_line import WIDTH, Step, fitted
from sandbox import OFF, Account, Server
from testing.terminal import forked_on_a_terminal, on_a_terminal
from testing.warehouse import PYTHON, ROOT

MESSAGES = """
import json
import sys
import threading
from collections import Counter
from types import SimpleNamespace as Of

from amocrm_warehouse import live_line

live_line.time = Of(monotonic=lambda: clock)
live_line._tick = lambda line, over: None
clock = 1000.0

def message(log=None, trace=None):
    return Of(log=log, trace=trace)

def complete(stream):
    status = Of(status=Of(value="COMPLETE"), stream_descriptor=Of(name=stream))
    return message(trace=Of(stream_status=status))

def show(then):
    global clock
    clock = 1000.0 + then
    shown.append(line.now())
    line.tick()

shown, told = [], []
with live_line.live_line(tell=told.append) as line:
    show(0)
    line.step = lambda: live_line.Step("opening the database")
    show(1)
    watch = live_line.Watch(Counter(), line)
    line.step = watch.step
    show(2)
    watch.count("users", 1)
    show(3)
    watch(complete("users"))
    watch.count("deals", 1_000)
    watch.progress(Of(at="leads up to 2024-03-11"))
    show(13)
    watch(message(log=Of(level=Of(value="INFO"), message="Reading: 1 rows")))
    watch(message(log=Of(level=Of(value="WARN"), message="The token expires on 2026-12-01.")))
    watch.progress(Of(at="leads up to 2025-01-02"))
    show(65)
    line.step = lambda: live_line.Step("loading", 800, 1_001, "rows")
    show(75)
    line.begin("models", 57)
    for _ in range(12):
        line.count()
    show(3700)
print(json.dumps([shown, len(told)]))
"""
STEPS = [
    "0:00  starting",
    "0:01  opening the database",
    "0:02  asking amoCRM",
    "0:03  reading, 1 rows, users",
    "0:13  reading, 1,001 rows, leads up to 2024-03-11",
    "1:05  reading, 1,001 rows, leads up to 2025-01-02",
    "1:15  loading 800 of 1,001 rows",
    "61:40  models 12 of 57",
]


def test_on_a_terminal() -> None:
    seen = on_a_terminal([PYTHON, "-c", MESSAGES.replace("line.tick()", "pass")], cwd=ROOT)
    *kept, shown, _ = seen.stays
    assert json.loads(shown) == [STEPS, 0]
    assert kept == ["   3.0 s  users: 1 rows", "  13.0 s  The token expires on 2026-12-01."]
    assert "\x1b[?25h" in seen.raw, "the cursor is there again"


def test_in_a_file_a_line_comes_after_ten_quiet_seconds_and_each_step_is_told_as_data() -> None:
    done = subprocess.run([PYTHON, "-c", MESSAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    *lines, shown = done.stdout.splitlines()
    assert lines == [
        "   3.0 s  users: 1 rows",
        "  13.0 s  reading, 1,001 rows, leads up to 2024-03-11",
        "  13.0 s  The token expires on 2026-12-01.",
        "  65.0 s  reading, 1,001 rows, leads up to 2025-01-02",
        "  75.0 s  loading 800 of 1,001 rows",
        "3700.0 s  models 12 of 57",
    ]
    assert json.loads(shown) == [STEPS, len(STEPS) - 1], "the first step is not new"


@pytest.mark.parametrize(
    "step",
    [
        Step("reading", 12_345_678, None, "rows", "companies/notes back to 2024-03-11"),
        Step("loading", 12_345_678, 123_456_789, "rows"),
        Step("opening the database"),
    ],
)
def test_a_line_fits_eighty_columns_and_begins_with_what_is_done(step: Step) -> None:
    assert len(fitted(f"1234:56  {step}")) <= WIDTH == 80
    assert str(step).startswith(
        ("reading, 12,345,678 rows, companies", "loading 12,345,678 of 123,456,789", "opening the database")
    )


def test_a_real_sync_names_its_steps_and_nothing_of_the_line_stays(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    with Server(Account.generate(leads=30), rate=OFF) as running:
        config.write_text(json.dumps({**running.config(), "requests_per_second": 50}), encoding="utf-8")
        options = ["--config", str(config), "--project", "1", "--streams", "users,deals,calls", "--without", "calls"]
        seen = forked_on_a_terminal(["sync", *options], DB=str(tmp_path / "crm.duckdb"))
    assert seen.code == 0
    changes = [line for line in re.split(r"[\r\n]+", seen.text) if re.match(r"\d:\d\d  ", line)]
    form = (
        r"\d:\d\d  (starting|opening the database|asking amoCRM|counting the rows|loading [\d,]+ of [\d,]+ rows"
        r"|reading( \d+%)?(, about \d+ s left)?, [\d,]+ rows, (users|deals|leads|events)\b.*)"
    )
    assert [line for line in changes if not re.fullmatch(form, line.rstrip())] == []
    kept = [re.sub(r"^ *[\d.]+ s|[\d.]+ s$", "… s", line) for line in seen.stays]
    rows = next(line for line in kept if line.startswith("… s  deals: "))
    assert sorted(line for line in kept if line.startswith("… s")) == [rows, "… s  users: 7 rows"]
    assert "amocrm_1_users           7             7" in kept
    assert not any(re.search(r"\d:\d\d  ", line) for line in kept)
