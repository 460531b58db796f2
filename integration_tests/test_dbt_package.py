"""The dbt package in somebody else's project: beside a model named as a mart, in schemas of that project's target."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amocrm_warehouse.report import report_command as report
from docs.describe_models import layer
from docs.describe_models import models as described
from sandbox import Account
from testing import expected, forked, models
from testing.models import Row
from testing.report_page import contents, unpacked
from testing.sheets import sheets
from testing.warehouse import ROOT

pytestmark = pytest.mark.at_length
LEFT_OUT = {
    "conversations", "stg_talks", "entity_history", "int_entity_changes", "stg_field_changes",
    "stg_responsible_changes", "customers_ltv", "stg_customer_transactions", "int_card_changes",
    "int_mass_change_events", "mass_changes", "mass_change_cards",
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
        layers = ("marts",) if schema == "marts" else ("staging", "intermediate")  # its plans are its own
        assert found == {name for name in described() if layer(name) in layers} - LEFT_OUT


OF_THE_SYNC = "model.amocrm.stg_amocrm__names"
"""The model of a table that the sync keeps itself, and Airbyte does not."""


def test_lineage_and_freshness_begin_at_the_tables(project: Project) -> None:
    nodes = project.artifact("manifest")["nodes"]
    staging = [node for own, node in nodes.items() if own.startswith("model.amocrm.stg_") and own != OF_THE_SYNC]
    assert all(any(own.startswith("source.amocrm.") for own in node["depends_on"]["nodes"]) for node in staging)
    project.dbt("source", "freshness", "--select", "source:amocrm.deals")
    [deals] = project.artifact("sources")["results"]
    assert (deals["status"], deals["max_loaded_at"][:19]) == ("warn", "2026-01-05T10:00:00")


def test_plans_may_be_the_projects_own(project: Project) -> None:
    [plan] = models.query(project.database, "SELECT * FROM analytics_marts.sales_plan WHERE plan IS NOT NULL")
    assert [plan["month"], plan["responsible_user_id"], plan["plan"]] == ["2026-01-01", 9000001, 250_000]


def test_the_report_finds_the_marts(project: Project, tmp_path: Path) -> None:
    """It says which they are, and after how many days a deal is stale there."""
    path, book = tmp_path / "report.html", tmp_path / "report.xlsx"
    wanted = ["--db", project.database, "--out", str(path), "--xlsx", str(book), "--digest"]
    done = forked.run(["report", "--quiet", "--built", *wanted])
    assert (done.returncode, done.stderr) == (0, f"\nThe report: {path}\n")
    assert "The report:" not in done.stdout  # the digest alone
    assert path.stat().st_size > 500_000
    [account], marts = unpacked(path)["accounts"], contents(path)["marts"]
    assert (marts, account["built_by"], account["stale_days"]) == ("analytics_marts", "shop", 30)
    meant = [row[2] for row in sheets(book)["Definitions"] if len(row) > 2 and row[1] == "Stale deals"]
    assert [text.partition(":")[0] for text in meant] == ["Open deals in which nothing has happened for 30 days"]


OWN_STALE = """
select
    project_id, deal_id, name, pipeline_id, pipeline_name, status_id, status_name, budget, currency,
    responsible_user_id, responsible_name, in_stage_since_local, created_at as last_activity_at,
    cast(77 as bigint) as days_without_activity, cast(0 as bigint) as open_tasks, false as is_dead
from {{ ref("amocrm__deals") }}
order by deal_id
limit 3
"""


def test_a_model_that_the_project_has_replaced_is_read_where_it_is(project: Project, tmp_path: Path) -> None:
    """The table of the build before is still there, and nobody reads it. `dbt docs generate` works."""
    settings = project.folder / "dbt_project.yml"
    replaced = "models:\n  amocrm:\n    marts:\n      amocrm__stale_deals:\n        +enabled: false\n"
    replaced += "      amocrm__goods_sold:\n        +enabled: false\n"
    text = settings.read_text(encoding="utf-8").replace("models:\n", replaced)
    settings.write_text(
        text.replace("  amocrm:\n    projects", "  amocrm:\n    exposures: false\n    projects"), "utf-8"
    )
    (project.folder / "models" / "amocrm__stale_deals.sql").write_text(OWN_STALE, encoding="utf-8")
    project.dbt("build", "--select", "amocrm__stale_deals", "int_amocrm__tables", "--exclude-resource-type", "test")
    project.dbt("docs", "generate")
    files: list[str | Path] = ["--out", tmp_path / "report.html", "--xlsx", tmp_path / "report.xlsx"]
    forked.run(["report", "--built", "--db", project.database, "--language", "en", *files])
    head, *shown = sheets(tmp_path / "report.xlsx")["Stale deals"]
    assert [row[head.index("Days without activity")] for row in shown[:3]] == [77, 77, 77]
    assert models.query(project.database, "SELECT count(*) AS n FROM analytics_marts.stale_deals") != [{"n": 3}]


REFUSED = {
    "by a field by which nothing is built": (
        ["--built", "--by", "Город"],
        "The marts in analytics_marts were built without --by, so --built cannot show them by “Город”.",
    ),
    "with options of a build": (
        ["--built", "--fields", "PHONE", "--time-zone", "Europe/Moscow"],
        "--built builds no models, so it takes no --time-zone, --fields: leave out one or the other.",
    ),
    "in a schema without marts": (
        ["--built", "sales"],
        "The schema sales holds no marts. There are: analytics_marts (built {built} UTC).",
    ),
    "of a build without a list of its models": (
        ["--built"],
        "The marts in analytics_marts do not say of which models they are: build int_tables beside them.",
    ),
    "in one of two schemas": (
        ["--built"],
        "Several schemas hold marts: amocrm_marts (built {built} UTC), analytics_marts (built {built} UTC). "
        "Name one: --built amocrm_marts.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_marts_that_cannot_be_shown_are_refused(
    project: Project, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given, sentence = REFUSED[name]
    file = tmp_path / "crm.duckdb"
    shutil.copy(project.database, file)
    with closing(duckdb.connect(str(file))) as connection:
        if "two" in name:
            connection.execute("CREATE SCHEMA amocrm_marts")
            connection.execute("CREATE TABLE amocrm_marts.freshness AS SELECT * FROM analytics_marts.freshness")
        if "without a list" in name:
            connection.execute("DROP TABLE analytics_staging.int_tables")
        [built] = connection.execute("SELECT max(built_at) FROM analytics_marts.freshness").fetchall()
    assert report.main([*given, "--db", str(file), "--out", str(tmp_path / "report.html")]) == 2
    assert capsys.readouterr().err == sentence.format(built=f"{built[0]:%Y-%m-%d %H:%M}") + "\n"
    assert not (tmp_path / "report.html").exists()
