"""The tools of analysts count what the accounts hold: Superset with our dashboards, and dbt's MetricFlow."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from amocrm_warehouse import models_command
from amocrm_warehouse.dashboards.rows_of_marts import WHO, Dataset, datasets, definitions
from amocrm_warehouse.dbt_package import PACKAGE
from amocrm_warehouse.report.metrics import METRICS, Metric, base
from docs.semantic_layer import ENTITIES, PREFIX
from sandbox import Account, ManualClock
from testing import forked, metric_numbers, models, postgres, superset
from testing.expected import Row
from testing.expected import marts as oracle
from testing.guides import block, typed
from testing.superset import PASSWORD, PROGRAMS, USER, Superset
from testing.warehouse import ROOT

pytestmark = pytest.mark.at_length
NOW = 1_767_290_400
PLATFORMS = ROOT / ".venv-platforms" / "bin"
WHERE: dict[str | None, Callable[[Row], bool]] = {
    None: lambda _: True,
    "stage_kind = 'won'": lambda row: row["stage_kind"] == "won",
    "stage_kind = 'lost'": lambda row: row["stage_kind"] == "lost",
    "stage_kind in ('open', 'unsorted')": lambda row: row["stage_kind"] in ("open", "unsorted"),
    "is_unanswered": lambda row: bool(row["is_unanswered"]),
    "is_stale": lambda row: bool(row["is_stale"]),
    "months_back = 0 and pipeline_id is null": lambda row: row["months_back"] == 0 and row["pipeline_id"] is None,
}
"""The conditions of datasets and charts, in Python."""


@dataclass
class World:
    known: list[oracle.Known]
    databases: dict[str, str]
    rows: dict[str, list[Row]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two accounts of different currencies, in both databases."""
    known = []
    for project, currency, account in (
        ("1001", "RUB", Account.generate(2, 150, clock=ManualClock(NOW))),
        ("1002", "KZT", Account.generate(3, 60, clock=ManualClock(NOW))),
    ):
        own = oracle.Known(project, ZoneInfo("Europe/Moscow"), oracle.at_second(NOW), marks=True)
        own.read(account)
        for row in own.rows["account"].values():
            row["currency"], row["invoices_settings"] = currency, {"currency": currency}
        known.append(own)
    known[0].others = known[1].others = frozenset({known[0].account_name} & {known[1].account_name})
    folder = tmp_path_factory.mktemp("superset")
    with ExitStack() as stack:
        databases = {"duckdb": str(folder / "crm.duckdb"), "postgres": stack.enter_context(postgres.server())}
        for kind, database in databases.items():
            for own in known:
                rows = {name: list(found.values()) for name, found in own.rows.items()}
                models.store(database, own.project, rows, kind)
            models.build(database, "--now", oracle.at_second(NOW).isoformat(), "--working-hours", AS_ORACLE)
        rows = {**oracle.marts(*known), **metric_numbers.rows_of(*known)}
        deals = {(row["project_id"], row["deal_id"]): row for row in rows["deals"]}
        for row in (row for mart in rows.values() for row in mart):
            is_deal = row.get("entity_type", "deal") == "deal"
            number = row.get("deal_id", row.get("entity_id") if is_deal else None)
            row["deal"] = deals.get((row["project_id"], number), {})
        yield World(known, databases, rows)


AS_ORACLE = "1-5 9:00-18:00, 6 10:00-14:30"


@pytest.fixture(scope="module")
def served(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Superset]:
    """Superset with the dashboards of both databases, each imported twice, once by the lines of the guide."""
    with superset.running(tmp_path_factory.mktemp("server")) as server:
        for kind, database in world.databases.items():
            file = tmp_path_factory.mktemp(kind) / "amocrm-superset.zip"
            language = {"duckdb": "ru", "postgres": "en"}[kind]
            done = forked.run(["dashboards", "--to", database, "--out", str(file), "--language", language], {})
            assert (done.returncode, done.stderr) == (0, "")
            server.bring(file, "not asked for")
            if kind == "duckdb":
                server.bring(file, "not asked for")
                continue
            lines = block("bi.md", "token=").replace("http://localhost:8088", server.address)
            assert json.loads(typed(lines.replace("change-me", PASSWORD), file.parent)) == {"message": "OK"}
        yield server


METRICFLOW = """
import json, sys
from pathlib import Path
from dbt_metricflow.cli.cli_configuration import CLIConfiguration
from metricflow.engine.metricflow_engine import MetricFlowQueryRequest
tool = CLIConfiguration()
tool.setup(dbt_profiles_path=Path("."), dbt_project_path=Path("."), configure_file_logging=False)
found = []
for metrics, groups in json.load(sys.stdin):
    request = MetricFlowQueryRequest.create(metric_names=metrics, group_by_names=groups)
    table = tool.mf.query(mf_request=request).result_df
    found.append([dict(zip(table.column_names, row)) for row in table.rows])
json.dump(found, sys.stdout, default=str)
"""
"""Answers queries, each a list of metrics and one of columns."""
BY = {"manager": "{}__manager", "pipeline": "deal__pipeline", "source": "deal__source", "month": "metric_time__month"}
"""The names by which MetricFlow groups; {} is the entity of the metrics."""


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_metricflow_counts_what_the_accounts_hold(world: World, kind: str, tmp_path: Path) -> None:
    """Each metric by account and month, manager, pipeline and source."""
    project = tmp_path / "dbt"
    shutil.copytree(PACKAGE, project)
    folder = {"AMOCRM_TARGET": str(project / "target"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    environment = {**os.environ, **models_command.environment(world.databases[kind]), **folder}
    given = json.dumps({"projects": ["1001", "1002"]})
    parse = [str(PLATFORMS / "dbt"), "parse", "--profiles-dir", ".", "--vars", given]
    subprocess.run(parse, cwd=project, env=environment, check=True, capture_output=True)
    asked = []
    for (mart, day), (entity, _) in ENTITIES.items():
        names = [name for name in METRICS if (base(METRICS[name]).of, base(METRICS[name]).day) == (mart, day)]
        asked += [(names, way, BY[way].format(entity)) for way in BY if way != "month" or day]
    queries = [[[f"{PREFIX}{name}" for name in names], ["account", by]] for names, _, by in asked]
    done = subprocess.run(
        [str(PLATFORMS / "python"), "-c", METRICFLOW], cwd=project, env=environment, input=json.dumps(queries),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    compared = 0
    for (names, way, by), rows in zip(asked, json.loads(done.stdout), strict=True):
        for name in names:
            wanted = metric_numbers.numbers(name, world.rows, partial(group_of, base(METRICS[name]), way))
            told = {
                (row["account"], (row[by] or "")[:10] or None if way == "month" else row[by]): float(value)
                for row in rows
                if (value := row[f"{PREFIX}{name}"]) and float(value)
            }
            assert told == pytest.approx(wanted, rel=1e-9), (name, way)
            compared += len(told)
    assert compared > 500


def group_of(metric: Metric, way: str, row: Row) -> tuple[str, Any]:
    if way == "month":
        day = row[str(metric.day)]
        return row["project_id"], day and f"{day:%Y-%m}-01"
    if way == "manager":
        return row["project_id"], row[WHO[metric.who]]
    own = row if metric.of == "deals" else row["deal"]
    return row["project_id"], own.get("pipeline_name") if way == "pipeline" else (
        own.get("source_name") or own.get("utm_source")
    )


def test_importing_again_doubles_nothing(served: Superset) -> None:
    made = {kind: len(served.listed(kind)) for kind in ("database", "dataset", "chart", "dashboard")}
    defined = definitions()
    charts = sum(len(one["charts"]) for one in defined["dashboards"].values())
    assert made == {"database": 2, "dataset": 2 * len(defined["datasets"]), "chart": 2 * charts, "dashboard": 12}


def test_each_chart_shows_what_the_accounts_hold(served: Superset, world: World) -> None:
    """Each of both databases, by Superset's API."""
    asked = []
    for dashboard in served.listed("dashboard").values():
        [name] = [name for name, one in definitions()["dashboards"].items()
                  if dashboard["dashboard_title"] in one["title"].split(" | ")]  # fmt: skip
        charts = served.ask("GET", f"dashboard/{dashboard['id']}/charts")["result"]
        titles = {chart["slice_name"]: chart["id"] for chart in charts}
        for chart in definitions()["dashboards"][name]["charts"]:
            dataset = datasets()[chart["of"]]
            wanted = (chart.get("title") or dataset.measures[chart["metrics"][0]].name).split(" | ")
            [number] = [titles[title] for title in wanted if title in titles]
            asked.append((name, chart, dataset, number))

    def rows_of(number: int) -> list[Row]:
        found = served.ask("GET", f"chart/{number}")["result"]
        return served.rows(json.loads(found["query_context"]))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(rows_of, [number for *_, number in asked]))
    compared = 0
    for (name, chart, dataset, _), found in zip(asked, answers, strict=True):
        rows = [row for row in world.rows[dataset.of] if WHERE[chart.get("where")](row) and WHERE[dataset.where](row)]
        if chart["kind"] == "list":
            assert len(found) == min(200, len(rows)), (name, chart)
            links = {link(world, row) for row in rows}
            shown = {
                re.findall('href="([^"]+)"', row["card"] or "")[0] for row in found if "<a " in (row["card"] or "")
            }
            assert shown <= links, (name, chart)
            compared += len(found)
            continue
        for metric in chart["metrics"]:
            groups: dict[tuple[Any, ...], list[Row]] = {}
            for row in rows:
                groups.setdefault(key(chart, dataset, row), []).append(row)
            wanted_numbers = {
                group: value for group, own in groups.items() if (value := number_of(dataset, metric, own))
            }
            told = {shown_key(chart, row): float(row[metric]) for row in found if row[metric]}
            assert told == pytest.approx(wanted_numbers, rel=1e-9), (name, chart, metric)
            compared += len(told)
    assert compared > 1_000


def key(chart: Row, dataset: Dataset, row: Row) -> tuple[Any, ...]:
    named = [*chart.get("by", ()), *filter(None, map(chart.get, ("x", "series")))]
    found = []
    for name in named:
        if name == "day":
            day = day_of(row[str(dataset.day)])
            found.append(day.replace(day=1) if chart["grain"] == "month" and day else day)
        elif name == "source":
            own = row if dataset.of == "deals" else row["deal"]
            found.append(own.get("source_name") or own.get("utm_source"))
        else:
            [(table, column)] = re.findall(r"^(\w+)\.(\w+)$", dataset.columns[name])
            value = row[column] if table == dataset.of else row["deal"].get(column)
            found.append(day_of(value) if name == "month" else value)
    return tuple(found)


def shown_key(chart: Row, row: Row) -> tuple[Any, ...]:
    named = [*chart.get("by", ()), *filter(None, map(chart.get, ("x", "series")))]
    is_day = {"day", "month"}
    return tuple(day_of(row[name]) if name in is_day else row[name] for name in named)


def day_of(value: Any) -> date | None:
    """Returns the day of a moment, as a text, as Superset's milliseconds or as Python has it."""
    if isinstance(value, str):
        return date.fromisoformat(value[:10])
    if isinstance(value, datetime):
        return value.date()
    return datetime.fromtimestamp(value / 1000, timezone.utc).date() if isinstance(value, int | float) else value


def number_of(dataset: Dataset, name: str, rows: list[Row]) -> float | None:
    if name in METRICS and name not in (dataset.metrics or {}):
        return metric_numbers.number(name, rows)
    sql = dataset.measures[name].sql
    planned = [row for row in rows if row.get("plan") is not None]
    if name == "done":
        plan = sum(row["plan"] for row in planned)
        return float(sum(row["won_budget"] for row in planned) / plan) if plan else None
    if name == "sold_by_plan":
        return float(sum(row["won_budget"] for row in planned))
    if sql == "count(*)":
        return len(rows)
    [(how, column)] = re.findall(r"(sum|min)\((\w+)\)", sql)
    values = [float(row[column]) for row in rows if row[column] is not None]
    return (sum(values) if how == "sum" else min(values)) if values else None


def link(world: World, row: Row) -> str | None:
    [own] = [known for known in world.known if known.project == row["project_id"]]
    [account] = own.all("account")
    kind, number = row.get("entity_type", "deal"), row.get("entity_id") or row.get("deal_id")
    place = {"deal": "leads", "contact": "contacts", "company": "companies", "customer": "customers"}.get(kind)
    return f"https://{account['subdomain']}.amocrm.ru/{place}/detail/{number}" if place else None


def test_who_sees_one_account_sees_no_row_of_another(served: Superset, tmp_path: Path) -> None:
    """By the lines of the guide."""
    script = tmp_path / "one_account.py"
    script.write_text(block("bi.md", '"""A role that sees one account'), encoding="utf-8")
    environment = {**os.environ, "SUPERSET_CONFIG_PATH": str(served.config)}
    python = str(PROGRAMS / "python")
    for _ in range(2):
        subprocess.run([python, str(script), "1001"], env=environment, cwd=tmp_path, check=True, capture_output=True)
    roles = {one["name"]: one["id"] for one in served.ask("GET", "security/roles/")["result"]}
    person = {"username": "anna", "first_name": "A", "last_name": "B", "email": "b@example.com", "active": True,
              "password": PASSWORD, "roles": [roles["Gamma"], roles["amoCRM 1001"]]}  # fmt: skip
    served.ask("POST", "security/users/", json=person)
    anna = served.sign_in("anna")
    seen = {}
    for number, table in ((row["id"], row["table_name"]) for row in served.listed("dataset").values()):
        query = {"columns": ["project_id"], "metrics": [], "filters": [], "row_limit": 10, "orderby": []}
        context = {"datasource": {"id": number, "type": "table"}, "queries": [query], "result_format": "json"}
        seen[table] = {row["project_id"] for row in anna.rows({**context, "result_type": "full"})}
        both = {row["project_id"] for row in served.rows({**context, "result_type": "full"})}
        assert seen[table] == both & {"1001"}, table
    assert len([table for table, projects in seen.items() if projects]) >= 28


def test_the_pages_show_each_chart(served: Superset, browser: webdriver.Chrome, tmp_path: Path) -> None:
    """With SCREENSHOTS=folder the pictures stay there."""
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    browser.set_window_size(1500, 2600)
    browser.get(f"{served.address}/login/")
    wait = WebDriverWait(browser, 120)
    wait.until(lambda page: page.find_elements(By.ID, "username"))[0].send_keys(USER)
    browser.find_element(By.ID, "password").send_keys(PASSWORD)
    browser.find_element(By.CSS_SELECTOR, "button[type=submit], input[type=submit]").click()
    wait.until(lambda page: "/login" not in page.current_url)
    for title, dashboard in served.listed("dashboard").items():
        if title.isascii():
            continue
        browser.get(f"{served.address}/superset/dashboard/{dashboard['id']}/")
        [one] = [one for one in definitions()["dashboards"].values() if title in one["title"]]
        shows_all = partial(has_charts, count=len(one["charts"]))
        wait.until(shows_all)
        wait.until(lambda page: not page.find_elements(By.CSS_SELECTOR, "[data-test=loading-indicator], .loading"))
        browser.save_screenshot(str(folder / f"superset-{dashboard['id']}.png"))
        shown = browser.find_element(By.TAG_NAME, "body").text
        assert not re.findall("(?i)unexpected error|data error|error:", shown), shown
        assert not browser.find_elements(By.CSS_SELECTOR, "[data-test=chart-error], .ant-alert-error")


def has_charts(page: webdriver.Chrome, count: int) -> bool:
    return len(page.find_elements(By.CSS_SELECTOR, ".slice_container")) == count
