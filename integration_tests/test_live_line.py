"""What a sync shows while it runs: one line that changes on a terminal, lines that stay in a file."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from amocrm_warehouse import live_line
from source_amocrm.airbyte import monitor

from .sandbox import OFF, Account, Server
from .terminal import forked_on_a_terminal, on_a_terminal
from .warehouse import PYTHON, ROOT

MESSAGES = """
import json
import sys
import time
from collections import Counter
from types import SimpleNamespace as Of

from amocrm_warehouse import live_line

live_line.time = Of(monotonic=lambda: clock)
clock = 1000.0

def message(record=None, log=None, trace=None):
    return Of(record=record, log=log, trace=trace)

def log(level, text):
    return message(log=Of(level=Of(value=level), message=text))

def complete(stream):
    status = Of(status=Of(value="COMPLETE"), stream_descriptor=Of(name=stream))
    return message(trace=Of(stream_status=status))

def show(then):
    global clock
    clock = 1000.0 + then
    if sys.stdout.isatty():
        shown.append(watch.now())

shown = []
with live_line.watching(Counter()) as watch:
    show(0)
    watch(message(record=Of(stream="users")))
    show(2)
    watch(complete("users"))
    watch(log("INFO", "Reading users; 1 rows, 1 rows a second"))
    watch(log("INFO", "Reading contacts (contacts): up to 2024-01-31, about 30 s left; 7 rows, 3 requests"))
    watch(log("INFO", "Reading leads (deals and 6 more): up to 2024-03-11, about 4 min left; 7 rows, 1 rows a second"))
    watch(log("INFO", "Checked something"))
    for _ in range(1_000):
        watch(message(record=Of(stream="deals")))
    show(10)
    watch(log("WARN", "The token expires on 2026-12-01."))
    show(65)
    watch(message(record=Of(stream="notes")))
    show(3700)
print(json.dumps(shown))
"""
READING_LEADS = "leads (deals and 6 more): up to 2024-03-11, about 4 min left"


def test_on_a_terminal() -> None:
    seen = on_a_terminal([PYTHON, "-c", MESSAGES], cwd=ROOT)
    *kept, shown, _ = seen.stays
    assert json.loads(shown) == [
        "0:00  asking amoCRM · 0 rows a second · 0 rows",
        "0:02  users · 0 rows a second · 1 rows",
        f"0:10  {READING_LEADS} · 100 rows a second · 1,001 rows",
        "1:05  deals · 15 rows a second · 1,001 rows",
        "61:40  notes · 0 rows a second · 1,002 rows",
    ]
    assert kept == ["   2.0 s  users: 1 rows", "  10.0 s  The token expires on 2026-12-01."]
    assert "\x1b[?25h" in seen.raw, "the cursor is there again"


def test_in_a_file() -> None:
    done = subprocess.run([PYTHON, "-c", MESSAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "   2.0 s  users: 1 rows",
        "   2.0 s  Reading users; 1 rows, 1 rows a second",
        "   2.0 s  Reading contacts (contacts): up to 2024-01-31, about 30 s left; 7 rows, 3 requests",
        f"   2.0 s  Reading {READING_LEADS}; 7 rows, 1 rows a second",
        "  10.0 s  The token expires on 2026-12-01.",
        "  65.0 s  … 1,002 rows so far",
        "[]",
    ]


def test_a_real_sync_names_what_it_reads(tmp_path: Path) -> None:
    """Each change of the line begins at the left again, and nothing of it stays."""
    config = tmp_path / "config.json"
    with Server(Account.generate(leads=30), rate=OFF) as running:
        config.write_text(json.dumps({**running.config(), "requests_per_second": 50}), encoding="utf-8")
        options = ["--config", str(config), "--project", "1", "--streams", "users,deals"]
        seen = forked_on_a_terminal(["sync", *options], DB=str(tmp_path / "crm.duckdb"))
    assert seen.code == 0
    changes = [line for line in re.split(r"[\r\n]+", seen.text) if " rows a second · " in line]
    form = r"0:\d\d  (asking amoCRM|users|deals|(leads|events|users)\b.*) · [\d,]+ rows a second · [\d,]+ rows"
    assert changes[0].startswith("0:00  asking amoCRM · 0 rows a second · 0 rows")
    assert [line for line in changes if not re.fullmatch(form, line)] == []
    kept = [re.sub(r"^ *[\d.]+ s|[\d.]+ s$", "… s", line) for line in seen.stays]
    rows = next(line for line in kept if line.startswith("… s  deals: "))
    assert sorted(line for line in kept if line.startswith("… s")) == [rows, "… s  users: 7 rows"]
    assert "amocrm_1_users           7             7" in kept
    assert not any("rows a second" in line for line in kept)


def test_the_live_line_knows_the_connector_s_lines() -> None:
    assert live_line.READING == monitor.READING
