"""The files that Apache Superset imports: a connection, datasets, charts and dashboards, as YAML.

Ids are made of names and of the database's address, so that files that are imported again replace what they made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID, uuid5

import yaml

from amocrm_warehouse.dashboards.rows_of_marts import Dataset, datasets, definitions
from amocrm_warehouse.database_address import is_file, location, server_of
from amocrm_warehouse.report.report_words import Words

NAMESPACE = UUID("7d2f43c1-5f0e-5c53-9d9a-0a1e7a2d8c11")
VERSION = {"version": "1.0.0"}
PASSWORD_MASK = "XXXXXXXXXX"
"""Superset asks for the password of a connection in whose address this stands."""
FORMATS = {"number": ",d", "money": ",.0f", "percent": ".1%", "minutes": ",.0f", "working": ",.0f", "days": ",.1f"}
"""Superset's format of a number by the unit of its metric."""
VISUALS = {
    "number": "big_number_total", "bars": "echarts_timeseries_bar", "lines": "echarts_timeseries_line",
    "table": "table", "list": "table",
}  # fmt: skip
HEIGHTS = {"number": 22, "bars": 50, "lines": 50, "table": 40, "list": 56}
"""Heights of charts (units of Superset's grid, 8 pixels)."""
GRAINS = {"month": "P1M", "day": "P1D"}
ROWS, GROUPS = 200, 50_000
"""The most rows of a list, and the most groups of another chart: years of days, by pipeline."""
FILTERS = {
    "period": "Period | Период", "currency": "Currency | Валюта", "account": "Account | Аккаунт",
    "pipeline": "Pipeline | Воронка", "manager": "Manager | Менеджер", "source": "Source | Источник",
}  # fmt: skip
"""The filters of each dashboard, from top to bottom."""


AS_WRITTEN: dict[str, Any] = {"allow_unicode": True, "sort_keys": False, "width": 120}


class _Readable(yaml.SafeDumper):
    """Writes texts of several lines, which are SQL, as they are."""


_Readable.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


class Bundle:
    """The files for one database in one language. `marts`: the schema of the marts."""

    def __init__(self, database: str, language: str, marts: str) -> None:
        self._words = Words(language)
        self._marts = marts
        self._home = address(database)
        self._datasets = datasets()

    def files(self) -> dict[str, str]:
        """Returns the YAML of each file by its path."""
        found: dict[str, Any] = {"metadata.yaml": VERSION, "databases/amocrm.yaml": self._connection()}
        for name, dataset in self._datasets.items():
            found[f"datasets/amocrm/{name}.yaml"] = self._dataset(name, dataset)
        for name, dashboard in definitions()["dashboards"].items():
            charts = [self._chart(name, number, chart) for number, chart in enumerate(dashboard["charts"])]
            for number, chart in enumerate(charts):
                found[f"charts/{name}_{number:02}.yaml"] = chart
            found[f"dashboards/{name}.yaml"] = self._dashboard(name, dashboard, charts)
        return {path: yaml.dump(one, Dumper=_Readable, **AS_WRITTEN) for path, one in found.items()}

    def _id(self, *names: object) -> str:
        return str(uuid5(NAMESPACE, "/".join(map(str, (self._home, self._marts, *names)))))

    def _said(self, text: str) -> str:
        """Returns a text, English | Russian, in the bundle's language; of no text, none."""
        said = text.split(" | ")[self._words.position] if text else ""
        for name, days in self._words.days.items():
            said = said.replace(f"{{{name}}}", str(days))
        return said

    def _connection(self) -> dict[str, Any]:
        extra: dict[str, Any] = {"allows_virtual_table_explore": True}
        if self._home.startswith("duckdb:"):
            extra["engine_params"] = {"connect_args": {"read_only": True}}
        name = self._home.rpartition("@")[2].rpartition("/")[2]
        return {
            "database_name": f"amoCRM {name}",
            "sqlalchemy_uri": self._home,
            "expose_in_sqllab": True,
            "extra": extra,
            "uuid": self._id("database"),
            **VERSION,
        }

    def _dataset(self, name: str, dataset: Dataset) -> dict[str, Any]:
        return {
            "table_name": f"amoCRM: {self._said(dataset.title)}",
            "main_dttm_col": "day" if dataset.day else None,
            "description": f"amocrm_marts.{dataset.of}",
            "schema": None,
            "sql": dataset.sql(self._marts),
            "uuid": self._id("dataset", name),
            "metrics": [
                {
                    "metric_name": metric,
                    "verbose_name": self._said(measure.name),
                    "expression": measure.sql,
                    "description": self._said(measure.means),
                    "d3format": FORMATS[measure.unit],
                }
                for metric, measure in dataset.measures.items()
            ],
            "columns": [
                {
                    "column_name": column,
                    "verbose_name": self._column(column),
                    "is_dttm": column == "day",
                    "type": "DATE" if column == "day" else None,
                    "groupby": True,
                    "filterable": True,
                    "description": self._words.of_column(column),
                }
                for column in dataset.columns
            ],
            **VERSION,
            "database_uuid": self._id("database"),
        }

    def _column(self, name: str) -> str | None:
        """Returns the title of a column, of those that charts show."""
        titles = definitions()["titles"]
        return self._said(titles[name]) if name in titles else None

    def _chart(self, dashboard: str, number: int, chart: Mapping[str, Any]) -> dict[str, Any]:
        dataset = self._datasets[chart["of"]]
        counted = dataset.measures[chart["metrics"][0]] if "metrics" in chart else None
        title = self._said(chart.get("title") or (counted.name if counted else ""))
        query, shown = _query(chart, dataset), _params(chart, dataset)
        params = {"viz_type": VISUALS[chart["kind"]], **shown}
        context = {"datasource": {"id": 0, "type": "table"}, "force": False, "queries": [query], "form_data": params}
        return {
            "slice_name": title,
            "description": self._said(counted.means) if counted and chart["kind"] == "number" else None,
            "viz_type": VISUALS[chart["kind"]],
            "params": params,
            "query_context": json.dumps(context | {"result_format": "json", "result_type": "full"}),
            "cache_timeout": None,
            "uuid": self._id("chart", dashboard, number),
            **VERSION,
            "dataset_uuid": self._id("dataset", chart["of"]),
        }

    def _dashboard(self, name: str, dashboard: Mapping[str, Any], charts: list[dict[str, Any]]) -> dict[str, Any]:
        places = dashboard["charts"]
        filters = [self._filter(one, name, dashboard) for one in FILTERS]
        return {
            "dashboard_title": self._said(dashboard["title"]),
            "uuid": self._id("dashboard", name),
            "published": True,
            "position": _position(self._said(dashboard["title"]), places, charts),
            "metadata": {
                "native_filter_configuration": [one for one in filters if one],
                "cross_filters_enabled": True,
                "filter_bar_orientation": "VERTICAL",
                "color_scheme": "supersetColors",
            },
            **VERSION,
        }

    def _filter(self, name: str, of: str, dashboard: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns a filter over the charts whose rows have its column, or None if there are none."""
        column = "day" if name == "period" else name
        has = [column in self._datasets[chart["of"]].columns for chart in dashboard["charts"]]
        if name == "period":
            has = [one and not chart.get("always") for one, chart in zip(has, dashboard["charts"], strict=True)]
        if not any(has):
            return None
        [first, *_] = [chart["of"] for one, chart in zip(has, dashboard["charts"], strict=True) if one]
        found: dict[str, Any] = {
            "id": f"NATIVE_FILTER-{of}-{name}",
            "type": "NATIVE_FILTER",
            "name": self._said(FILTERS[name]),
            "description": "",
            "scope": {"rootPath": ["ROOT_ID"], "excluded": [place for place, one in enumerate(has, 1) if not one]},
            "cascadeParentIds": [],
        }
        if name == "period":
            chosen = dashboard.get("period", "No filter")
            mask = {"extraFormData": {"time_range": chosen}, "filterState": {"value": chosen}}
            return found | {
                "filterType": "filter_time", "targets": [{}], "controlValues": {"enableEmptyFilter": False},
                "defaultDataMask": mask,
            }  # fmt: skip
        # amounts of different currencies are never added up: one is always chosen
        is_one = name == "currency"
        target = {"datasetUuid": self._id("dataset", first), "column": {"name": column}}
        values = {
            "enableEmptyFilter": is_one, "defaultToFirstItem": is_one, "multiSelect": not is_one,
            "searchAllOptions": False, "inverseSelection": False,
        }  # fmt: skip
        return found | {
            "filterType": "filter_select", "targets": [target], "controlValues": values,
            "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
        }  # fmt: skip


def address(database: str) -> str:
    """Returns SQLAlchemy's address of a database, without its password."""
    found = location(database)
    if is_file(database):
        return f"duckdb:///{found.absolute()}"  # type: ignore[union-attr]
    server = server_of(found)  # type: ignore[arg-type]
    return f"postgresql+psycopg2://{server.user}:{PASSWORD_MASK}@{server.host}:{server.port}/{server.database}"


def _order(chart: Mapping[str, Any], metrics: Iterable[str]) -> list[tuple[str, bool]]:
    """Returns the column or metric that sorts a chart, with whether it ascends."""
    name = chart.get("order") or next(iter(metrics))
    return [(name.removeprefix("-"), name.startswith("-"))]


def _time_axis(chart: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "timeGrain": GRAINS[chart["grain"]], "columnType": "BASE_AXIS", "sqlExpression": chart["x"],
        "label": chart["x"], "expressionType": "SQL",
    }  # fmt: skip


def _query(chart: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Returns the query of a chart as Superset's API takes it."""
    metrics = list(chart.get("metrics", ()))
    filters = [{"col": "day", "op": "TEMPORAL_RANGE", "val": "No filter"}] if dataset.day else []
    query: dict[str, Any] = {
        "filters": filters, "extras": {"where": f"({chart['where']})" if "where" in chart else "", "having": ""},
        "metrics": metrics, "columns": [], "orderby": [], "row_limit": GROUPS,
    }  # fmt: skip
    if chart["kind"] == "list":
        del query["metrics"]
        return query | {"columns": chart["columns"], "orderby": _order(chart, metrics), "row_limit": ROWS}
    if chart["kind"] == "table":
        return query | {"columns": chart["by"], "orderby": _order(chart, metrics)}
    if chart["kind"] == "number":
        return query
    axis = _time_axis(chart) if "grain" in chart else chart["x"]
    columns = [axis, *([chart["series"]] if "series" in chart else [])]
    return query | {"columns": columns, "orderby": [] if "grain" in chart else _order(chart, metrics)}


def _params(chart: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
    """Returns the settings of a chart as Superset's pages keep them."""
    metrics = list(chart.get("metrics", ()))
    adhoc: list[dict[str, Any]] = []
    if dataset.day:
        adhoc.append({
            "clause": "WHERE", "subject": "day", "operator": "TEMPORAL_RANGE", "comparator": "No filter",
            "expressionType": "SIMPLE",
        })  # fmt: skip
    if "where" in chart:
        adhoc.append({"clause": "WHERE", "expressionType": "SQL", "sqlExpression": chart["where"]})
    params: dict[str, Any] = {"adhoc_filters": adhoc, "row_limit": GROUPS}
    if chart["kind"] == "number":
        return params | {"metric": metrics[0], "y_axis_format": FORMATS[dataset.measures[metrics[0]].unit]}
    if chart["kind"] == "list":
        order = [json.dumps(list(one)) for one in _order(chart, metrics)]
        return params | {
            "query_mode": "raw", "all_columns": chart["columns"], "order_by_cols": order, "row_limit": ROWS,
            "table_timestamp_format": "%Y-%m-%d", "allow_render_html": True, "show_cell_bars": False,
        }  # fmt: skip
    if chart["kind"] == "table":
        [(first, is_ascending)] = _order(chart, metrics)
        return params | {
            "query_mode": "aggregate", "groupby": chart["by"], "metrics": metrics, "table_timestamp_format": "%Y-%m",
            "show_cell_bars": False, "timeseries_limit_metric": first, "order_desc": not is_ascending,
        }  # fmt: skip
    by = {"groupby": [chart["series"]]} if "series" in chart else {"groupby": []}
    axis = (
        {
            "time_grain_sqla": GRAINS[chart["grain"]],
            "x_axis_time_format": "%Y-%m" if chart["grain"] == "month" else "%d.%m",
        }
        if "grain" in chart
        else {"x_axis_sort": metrics[0], "x_axis_sort_asc": True, "orientation": "horizontal"}
    )
    return params | by | axis | {
        "x_axis": chart["x"], "metrics": metrics, "show_legend": "series" in chart or len(metrics) > 1,
        "y_axis_format": FORMATS[dataset.measures[metrics[0]].unit], "rich_tooltip": True,
        "stack": "Stack" if "series" in chart and chart["kind"] == "bars" else None,
    }  # fmt: skip


def _position(title: str, places: list[dict[str, Any]], charts: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns where each chart stands: rows of twelve columns, from left to right."""
    rows: list[list[int]] = []
    for number, place in enumerate(places):
        if not rows or sum(places[one]["width"] for one in rows[-1]) + place["width"] > 12:
            rows.append([])
        rows[-1].append(number)
    grid = ["ROOT_ID", "GRID_ID"]
    found: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": title}},
        "GRID_ID": {
            "type": "GRID", "id": "GRID_ID", "parents": grid[:1],
            "children": [f"ROW-{number}" for number in range(len(rows))],
        },
    }  # fmt: skip
    for number, row in enumerate(rows):
        own = f"ROW-{number}"
        found[own] = {
            "type": "ROW", "id": own, "parents": grid, "children": [f"CHART-{chart}" for chart in row],
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
        }  # fmt: skip
        for chart in row:
            found[f"CHART-{chart}"] = {
                "type": "CHART", "id": f"CHART-{chart}", "parents": [*grid, own], "children": [],
                "meta": {
                    "chartId": chart + 1, "uuid": charts[chart]["uuid"], "sliceName": charts[chart]["slice_name"],
                    "width": places[chart]["width"], "height": HEIGHTS[places[chart]["kind"]],
                },
            }  # fmt: skip
    return found
