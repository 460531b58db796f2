"""The account of `make demo` on a day, and its report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from demo import demo_plans
from sandbox import Account, ManualClock, business

from . import models
from .expected import marts as oracle
from .report_page import run

MOSCOW = ZoneInfo("Europe/Moscow")


def account(now: int, leads: int = 2_000) -> Account:
    return business.account(1, leads, now, clock=ManualClock(now))


def report(made: Account, now: int, folder: Path) -> str:
    """Builds the marts of an account with the plans of the demo, and `report.html` beside. Returns the DuckDB file."""
    known = oracle.Known("1001", MOSCOW, oracle.at_second(now), marks=True)
    known.read(made)
    file = str(folder / "crm.duckdb")
    models.store(file, "1001", {name: list(rows.values()) for name, rows in known.rows.items()}, "duckdb")
    today = datetime.fromtimestamp(now, MOSCOW).date()
    plans = demo_plans.write(f"duckdb:///{file}", "1001", folder / "plans.csv", today)
    given = ["--now", known.now.isoformat(), "--plans", str(plans), "--out", str(folder / "report.html")]
    done = run(*given, database=file)
    assert done.returncode == 0, done.stderr
    return file
