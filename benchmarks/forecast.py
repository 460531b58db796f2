"""Compares the forecasts of the last 24 months with the sales that followed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timezone

from amocrm_warehouse.database import reading
from amocrm_warehouse.models_command import build
from sandbox import NOW, Account, ManualClock, business
from testing import expected, models

from .answers import PROJECT, tables
from .line import Line, Workspace

RECORD = 24
"""Months for which a forecast is made afterwards."""
LEAST, MOST = 0.7, 0.9
"""Limits on the share of months whose sales lie within the interval, which is meant to hold 80 %."""
HELD = """
    select
        coalesce(pipeline_name, 'all together'), count(*),
        avg(case when sold between low and high then 1.0 else 0 end),
        percentile_cont(0.5) within group (order by abs(expected - sold) / sold),
        percentile_cont(0.5) within group (order by abs(sold_month_before - sold) / sold)
    from amocrm_marts.forecast
    where sold > 0 and expected is not null and months_back > 0
    group by 1
    order by 1
"""
HITS = """
    select
        project_id, count(*), sum(case when sold between low and high then 1 else 0 end),
        percentile_cont(0.5) within group (order by abs(expected - sold) / sold)
    from amocrm_marts.forecast
    where sold > 0 and expected is not null and months_back > 0 and pipeline_id is null
    group by 1
    order by 1
"""


def forecasts(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """One line a pipeline, over forecasts for the current month and the next two."""
    leads = 10_000 if quick else 50_000
    database = workspace.folder.resolve() / "forecast.duckdb"
    shutil.copy(tables(workspace, leads), database)
    now = datetime.fromtimestamp(NOW, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    build(str(database), [PROJECT], now=now, forecast_record=RECORD)
    with reading(str(database)) as run:
        _, found = run(HELD)
    for pipeline, count, inside, off, naive in found:
        figures = {
            "months": f"{count}", "within the interval": f"{inside:.0%}", "to be": f"{LEAST:.0%} to {MOST:.0%}",
            "off by (median)": f"{off:.1%}", "the same as last month": f"{naive:.1%}",
        }  # fmt: skip
        yield Line(f"{leads:,} leads, forecast of “{pipeline}”", figures, quick or LEAST <= inside <= MOST)
    yield from of_generated(workspace, now)


def of_generated(workspace: Workspace, now: str) -> Iterator[Line]:
    """One line for each of three small accounts: two of a business, one of random days."""
    database = str(workspace.folder.resolve() / "forecast-generated.duckdb")
    accounts = [
        *(business.account(seed, 2_000, NOW, clock=ManualClock(NOW)) for seed in (1, 2)),
        Account.generate(3, 2_000, clock=ManualClock(NOW)),
    ]
    for number, account in enumerate(accounts, 2001):
        models.store(database, str(number), expected.tables(account), "duckdb")
    build(database, [str(number) for number, _ in enumerate(accounts, 2001)], now=now, forecast_record=RECORD)
    with reading(database) as run:
        _, found = run(HITS)
    for project, count, inside, off in found:
        figures = {"months": f"{count}", "within the interval": f"{inside}", "off by (median)": f"{off:.1%}"}
        yield Line(f"2,000 leads, generated account {project}", figures, True)
