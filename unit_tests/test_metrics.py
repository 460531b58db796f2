"""Facts that the marts, the page and the assistant share stand in one place."""

from __future__ import annotations

import re
from pathlib import Path

from amocrm_warehouse.report.metrics import METRICS, MONEY
from docs.describe_models import layer, models

WAREHOUSE = Path(__file__).resolve().parents[1] / "amocrm_warehouse"


def test_every_mart_with_an_amount_names_its_currency() -> None:
    marts = {name: set(model["columns"]) for name, model in models().items() if layer(name) == "marts"}
    with_money = {name for name, columns in marts.items() if columns & MONEY}
    assert with_money == {name for name, columns in marts.items() if "currency" in columns} - {"accounts"}
    assert {"deals", "sales_plan", "today", "forecast", "stale_deals", "customers_ltv", "capped_deals"} < with_money
    assert {metric.sum for metric in METRICS.values() if metric.sum} <= MONEY


def test_the_stages_of_won_and_lost_deals_have_their_numbers_in_the_connector_alone() -> None:
    texts = {path.name: path.read_text(encoding="utf-8") for path in WAREHOUSE.rglob("*.*") if path.suffix in SOURCES}
    assert {name for name, text in texts.items() if re.search(r"\b14[23]\b", text)} == {"connector.sql"}


SOURCES = {".sql", ".js", ".py"}
