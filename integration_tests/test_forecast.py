"""The forecast of an account with enough sales is what its own store says had been known by then, number by number."""

from __future__ import annotations

from pathlib import Path

from . import expected, models
from .expected.marts import ahead
from .sandbox import Account, ManualClock
from .test_models import different
from .test_report import known_of

NOW = 1_766_167_200
"""19 December 2025, 18:00 UTC."""
STREAMS = (
    "account", "users", "groups", "statuses", "loss_reasons", "deals", "deal_statuses", "deal_responsible_changes",
    "deal_sale_changes", "events", "deleted_entities",
)  # fmt: skip


def test_each_number_of_the_forecast_is_the_accounts(tmp_path: Path) -> None:
    tables = expected.tables(Account.generate(3, 1_500, clock=ManualClock(NOW)))
    known = known_of("1001", {name: tables[name] for name in STREAMS})
    known.now = known.now.replace(year=2025, month=12, day=19)
    database = str(tmp_path / "crm.duckdb")
    models.store(database, "1001", {name: tables[name] for name in STREAMS}, "duckdb")
    models.build(database, "--now", known.now.isoformat())
    for build in (ahead.forecast, ahead.forecast_stages):
        wanted = [{"project_id": "1001", **row} for row in build(known)]
        assert len(wanted) > 20
        found = models.query(database, f"SELECT * FROM amocrm_marts.{build.__name__}")
        assert different(build.__name__, wanted, found) == []
    told = [row for row in ahead.forecast(known) if row["pipeline_id"] is None and row["expected"]]
    assert {(row["months_back"], row["months_ahead"]) for row in told} >= {(0, 0), (0, 2), (6, 0)}
    assert all(row["low"] < row["expected"] < row["high"] for row in told)
    few = [row for row in ahead.forecast(known) if row["expected"] is None]
    assert few, "no pipeline has too few sales, and that is told of none"
