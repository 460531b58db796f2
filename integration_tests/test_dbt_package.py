"""The dbt package in somebody else's project: beside a model named as a mart, in schemas of that project's target."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from docs.describe_models import layer
from docs.describe_models import models as described

from . import expected, forked, models
from .models import Row
from .sandbox import Account
from .warehouse import ROOT

LEFT_OUT = {
    "conversations", "stg_talks", "entity_history", "int_entity_changes", "stg_field_changes",
    "stg_responsible_changes", "customers_ltv", "stg_customer_transactions",
}  # fmt: skip
"""The tables of the parts that the consumer's variables leave out."""
CONSUMER = Path(__file__).parent / "consumer"


class Project:
    """A copy of the consumer's project, with what it has built in a DuckDB file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.database = folder / "shop", str(folder / "shop.duckdb")
        shutil.copytree(CONSUMER, self.folder)

    def dbt(self, *arguments: str) -> None:
        package = {"AMOCRM_PACKAGE": str(ROOT / "amocrm_warehouse" / "dbt"), "SHOP_DUCKDB": self.database}
        command = ["--no-use-colors", *arguments, "--profiles-dir", "."]
        environment = {**package, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
        done = forked.run(command, environment, cwd=self.folder, program=forked.DBT)
        assert done.returncode == 0, done.stdout + done.stderr

    def artifact(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self.folder / "target" / f"{name}.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def tables() -> dict[str, list[Row]]:
    return expected.tables(Account.generate(7, 40))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tables: dict[str, list[Row]]) -> Project:
    made = Project(tmp_path_factory.mktemp("package"))
    models.store(made.database, "1001", tables, "duckdb")
    models.store_syncs(made.database, "1001", [("2026-01-05 09:00", "2026-01-05 10:00", [])])
    made.dbt("deps")
    made.dbt("build", "--exclude-resource-type", "test", "unit_test")  # models are tested where they are built
    return made


def test_models_of_one_name_stand_beside_each_other(project: Project, tables: dict[str, list[Row]]) -> None:
    own = models.query(project.database, "SELECT sum(deals) AS deals FROM analytics.deals")
    marts = models.query(project.database, "SELECT deal_id FROM analytics_marts.deals WHERE NOT is_deleted")
    assert {row["deal_id"] for row in marts} == {row["lead_id"] for row in tables["deals"] if not row["is_deleted"]}
    assert own == [{"deals": len(marts)}]


def test_all_tables_keep_their_names_and_parts_may_be_left_out(project: Project) -> None:
    for schema in ("marts", "staging"):
        sql = f"SELECT table_name FROM information_schema.tables WHERE table_schema = 'analytics_{schema}'"
        found = {row["table_name"] for row in models.query(project.database, sql)}
        layers = ("marts",) if schema == "marts" else ("staging", "intermediate", None)
        assert found == {name for name in described() if layer(name) in layers} - LEFT_OUT


def test_lineage_and_freshness_begin_at_the_tables(project: Project) -> None:
    nodes = project.artifact("manifest")["nodes"]
    staging = [node for own, node in nodes.items() if own.startswith("model.amocrm.stg_")]
    assert all(any(own.startswith("source.amocrm.") for own in node["depends_on"]["nodes"]) for node in staging)
    project.dbt("source", "freshness", "--select", "source:amocrm.deals")
    [deals] = project.artifact("sources")["results"]
    assert (deals["status"], deals["max_loaded_at"][:19]) == ("warn", "2026-01-05T10:00:00")


def test_the_report_finds_the_marts(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    done = forked.run(["report", "--quiet", "--built", "--db", project.database, "--out", path])
    assert (done.returncode, done.stderr) == (0, "")
    assert path.stat().st_size > 500_000
