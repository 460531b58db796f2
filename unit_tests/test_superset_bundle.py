"""What Superset imports is whole: each id leads to a file, each column and metric is there, and no password is."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

from amocrm_warehouse.dashboards import dashboards_command
from amocrm_warehouse.dashboards.rows_of_marts import datasets, definitions
from amocrm_warehouse.dashboards.superset_bundle import Bundle
from amocrm_warehouse.report.metrics import METRICS, MONEY

CHART = {"kind", "of", "title", "metrics", "by", "columns", "x", "grain", "series", "where", "order", "width", "always"}
SERVER = "postgresql://bi:s3cret-of-bi@db.example.com:5433/crm"


def read(files: dict[str, str], folder: str) -> dict[str, Any]:
    return {path: yaml.safe_load(text) for path, text in files.items() if path.startswith(f"{folder}/")}


@pytest.mark.parametrize("language", ["en", "ru"])
def test_each_id_leads_to_a_file(language: str) -> None:
    files = Bundle(SERVER, language, "amocrm_marts").files()
    [database] = read(files, "databases").values()
    sets = {one["uuid"]: one for one in read(files, "datasets").values()}
    charts = {one["uuid"]: one for one in read(files, "charts").values()}
    dashboards = read(files, "dashboards")
    assert len(dashboards) == 6
    assert {one["database_uuid"] for one in sets.values()} == {database["uuid"]}
    assert {one["dataset_uuid"] for one in charts.values()} == sets.keys()
    placed: Counter[str] = Counter()
    for one in dashboards.values():
        for place in one["position"].values():
            if isinstance(place, dict) and place["type"] == "CHART":
                placed[place["meta"]["uuid"]] += 1
                assert place["meta"]["sliceName"] == charts[place["meta"]["uuid"]]["slice_name"]
        for own in one["metadata"]["native_filter_configuration"]:
            for target in own["targets"]:
                if target:
                    columns = {column["column_name"] for column in sets[target["datasetUuid"]]["columns"]}
                    assert target["column"]["name"] in columns
    assert placed == dict.fromkeys(charts, 1)
    every = [database, *sets.values(), *charts.values(), *dashboards.values()]
    assert len({one["uuid"] for one in every}) == len(every)
    for name in dashboards:
        own = [
            one["slice_name"]
            for path, one in read(files, "charts").items()
            if path.split("/")[1].startswith(name[11:-5])
        ]
        assert len(set(own)) == len(own)
    for titles in ("slice_name", "dashboard_title", "table_name"):
        assert not [one for one in every if " | " in one.get(titles, "")]


def test_charts_show_columns_and_metrics_that_their_datasets_have() -> None:
    of = datasets()
    shown = set()
    for dashboard in definitions()["dashboards"].values():
        for chart in dashboard["charts"]:
            dataset = of[chart["of"]]
            assert chart.keys() <= CHART
            columns = {*chart.get("by", ()), *chart.get("columns", ()), *filter(None, map(chart.get, ("x", "series")))}
            assert columns <= dataset.columns.keys(), chart
            assert {*chart.get("metrics", ())} <= dataset.measures.keys(), chart
            assert columns <= definitions()["titles"].keys()
            shown |= {*chart.get("metrics", ())}
            # amounts of different currencies are never added up: the filter chooses one
            amounts = {name for name in shown & dataset.measures.keys() if dataset.measures[name].unit == "money"}
            assert "currency" in dataset.columns or not amounts
    assert {name for dataset in of.values() for name in dataset.measures} >= METRICS.keys()
    assert METRICS.keys() - shown == {"closed"}
    assert {name for dataset in of.values() for name, one in dataset.measures.items() if name in MONEY} <= {
        name for dataset in of.values() for name, one in dataset.measures.items() if one.unit == "money"
    }


def test_a_filter_leaves_out_the_charts_whose_rows_have_not_its_column() -> None:
    files = Bundle(SERVER, "en", "amocrm_marts").files()
    for name, dashboard in definitions()["dashboards"].items():
        made = yaml.safe_load(files[f"dashboards/{name}.yaml"])["metadata"]["native_filter_configuration"]
        for own in made:
            column = own["id"].rpartition("-")[2].replace("period", "day")
            without = [
                place
                for place, chart in enumerate(dashboard["charts"], 1)
                if column not in datasets()[chart["of"]].columns or (column == "day" and chart.get("always"))
            ]
            assert own["scope"]["excluded"] == without, own["id"]
            assert own["controlValues"].get("defaultToFirstItem", False) == (column == "currency")


def test_no_file_holds_the_password_and_equal_dashboards_are_equal_archives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / "one.zip", tmp_path / "two.zip"]
    for path in paths:
        assert dashboards_command.main(["--to", SERVER, "--out", str(path), "--language", "ru"]) == 0
    assert capsys.readouterr().out.startswith(f"{paths[0]}: 6 dashboards, without a password.\n")
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert dashboards_command.main(["--to", SERVER, "--out", str(tmp_path / "git"), "--language", "ru"]) == 0
    with ZipFile(paths[0]) as bundle:
        texts = {name.partition("/")[2]: bundle.read(name).decode() for name in bundle.namelist()}
    found = {path.relative_to(tmp_path / "git").as_posix(): path for path in (tmp_path / "git").rglob("*.yaml")}
    assert {name: path.read_text(encoding="utf-8") for name, path in found.items()} == texts
    assert not [name for name, text in texts.items() if "s3cret" in text]
    connection = yaml.safe_load(texts["databases/amocrm.yaml"])
    assert connection["sqlalchemy_uri"] == "postgresql+psycopg2://bi:XXXXXXXXXX@db.example.com:5433/crm"


def test_another_database_or_schema_has_other_ids() -> None:
    made = [
        {yaml.safe_load(text).get("uuid") for text in Bundle(database, language, marts).files().values()} - {None}
        for database, language, marts in (
            (SERVER, "en", "amocrm_marts"),
            (SERVER.replace("s3cret-of-bi", "another"), "ru", "amocrm_marts"),
            (SERVER, "en", "analytics_marts"),
            ("duckdb:///crm.duckdb", "en", "amocrm_marts"),
        )
    ]
    assert made[0] == made[1]
    assert [len(made[0] & other) for other in made[2:]] == [0, 0]


def test_the_query_of_a_chart_is_that_of_its_settings() -> None:
    """Superset's pages make their own query of the settings; its API takes the one in the file."""
    for path, text in Bundle(SERVER, "en", "amocrm_marts").files().items():
        if not path.startswith("charts/"):
            continue
        chart = yaml.safe_load(text)
        params, [query] = chart["params"], json.loads(chart["query_context"])["queries"]
        metrics = params.get("metrics") or [params["metric"]] if params.get("query_mode") != "raw" else []
        assert query.get("metrics", []) == metrics
        assert query["row_limit"] == params["row_limit"]
        named = [column["label"] if isinstance(column, dict) else column for column in query["columns"]]
        axis = [params["x_axis"]] if "x_axis" in params else []
        assert named == [*axis, *params.get("groupby", []), *params.get("all_columns", [])]
        wheres = [one["sqlExpression"] for one in params["adhoc_filters"] if one["expressionType"] == "SQL"]
        assert query["extras"]["where"] == "".join(f"({one})" for one in wheres)


def test_a_wrong_address_is_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert dashboards_command.main(["--to", "oracle://x/y", "--out", str(tmp_path / "x.zip")]) == 2
    assert "There is no kind of database “oracle”" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert dashboards_command.main(["--to", SERVER, "--out", str(tmp_path / "none" / "x.zip")]) == 2
    assert "cannot be written" in capsys.readouterr().err
