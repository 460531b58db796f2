"""Measures the marts that look for what is out of habit, of an account with half a million events and large bursts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import psycopg2

from amocrm_warehouse.dbt_package import PACKAGE
from amocrm_warehouse.models_command import build, environment
from testing import models, postgres

from .answers import PROJECT
from .line import Line, Workspace

NOW = "2026-12-01T09:00:00"
DAYS = 720
MARTS = {
    "mass_changes": [
        "int_amocrm__card_changes", "int_amocrm__mass_change_events", "amocrm__mass_change_cards",
        "amocrm__mass_changes",
    ],
    "watch": ["amocrm__watch"],
    "name_changes": ["amocrm__name_changes"],
}  # fmt: skip
"""The models of each mart that no other mart reads."""
MOST = 15
"""Limit on the time of a mart with these models (seconds)."""
AT = "timestamptz '2026-12-01 08:00:00+00'"
READ = json.dumps(
    dict.fromkeys(("deals", "contacts", "companies", "tasks", "notes", "calls", "messages", "events", "users"), 50)
)
EMPTY = ("custom_fields_companies", "deal_responsible_changes", "deal_sale_changes", "deleted_entities")
Parts = dict[str, list[tuple[int, dict[str, str]]]]
"""Rows of tables: how many, and SQL of their columns, in which `n` counts from zero."""


def spread(count: int) -> str:
    """Returns SQL of the moment of row `n` of so many, which are even over the working hours of DAYS days."""
    return f"{AT} - interval '1 day' * (1 + n * {DAYS} / {count}) - interval '1 second' * (n * 7919 % 30000)"


def own(key: str, count: int, **columns: str) -> list[tuple[int, dict[str, str]]]:
    return [(count, {key: "n + 1", "created_at": spread(count), "updated_at": spread(count), **columns})]


def filled_fields(key: str, cards: int, fields: int) -> list[tuple[int, dict[str, str]]]:
    """Returns values of custom fields: of each card so many out of four times as many."""
    text = {"value_index": "0", "name": "'A'", "field_type": "'text'", "value": "'x'", "read_at": AT}
    field = f"701 + n % {fields} * 4 + n / {fields} % 4"
    return [(cards * fields, {key: f"n / {fields} + 1", "custom_field_id": field, **text})]


def parts(events: int, burst: int) -> Parts:
    """Returns an account whose events are ordinary work, three bursts of people and robots, and a robot's nights."""
    cards, ordinary = burst + burst // 7, (events - 3 * burst) // 2
    moved = {"pipeline_id_old": "1", "status_old": "11", "pipeline_id_new": "1", "status_new": "12"}
    field = {"custom_field_id": "701", "value_old": "'a'", "value_new": "'b'", "enums_old": "'[]'", "enums_new": "'[]'"}
    burst_at = f"{AT} - interval '10 days' + interval '1 second' * (n / 170)"
    night = f"{AT} - interval '1 day' * (1 + n / 30) - interval '6 hours'"
    tagged = {"type": "'entity_tag_added'", "entity_type": "'contact'", "value_before": "'[]'"}
    deleted = {"type": "'lead_deleted'", "entity_type": "'lead'", "value_before": "'[]'", "value_after": "'[]'"}
    person, card = "n % 50 + 1", f"n % {cards} + 1"
    renamed = f"{AT} - interval '1 day' * (400 - n % 4 * 100 - n / 4 % 90)"
    return {
        "deals": own(
            "lead_id", cards, pipeline_id="1", status_id="case when n % 3 = 0 then 142 else 12 end", read_at=AT,
            closed_at=f"case when n % 3 = 0 then {spread(cards)} + interval '1 hour' end", sale="n % 1000",
            responsible_user_id=person,
        ),
        "contacts": own("contact_id", cards, read_at=AT),
        "companies": own("company_id", cards // 4, read_at=AT),
        "tasks": own("task_id", cards),
        "notes": own("note_id", cards),
        "calls": own("note_id", 2 * cards),
        "messages": own("message_id", 3 * cards),
        "custom_fields_deals": filled_fields("lead_id", cards, 10),
        "custom_fields_contacts": filled_fields("contact_id", cards, 3),
        "deal_statuses": [
            (ordinary, {"note_id": "'m' || n", "lead_id": card, "created_by": person, "created_at": spread(ordinary),
                        **moved}),
            (burst, {"note_id": "'b' || n", "lead_id": "n + 1", "created_by": "7", "created_at": burst_at, **moved}),
        ],
        "deal_field_changes": [
            (30 * DAYS, {"event_id": "'r' || n", "lead_id": "n % 30 + 1", "created_by": "0", "created_at": night,
                         **field}),
            (burst, {"event_id": "'f' || n", "lead_id": "n + 1", "created_by": "8", "created_at": burst_at, **field}),
        ],
        "events": [
            (ordinary, {"event_id": "'e' || n", "entity_id": card, "created_by": person, "created_at": spread(ordinary),
                        "value_after": """'[{"tag": {"name": "a"}}]'""", **tagged}),
            (burst, {"event_id": "'t' || n", "entity_id": "n + 1", "created_by": "0", "created_at": burst_at,
                     **deleted}),
        ],
        "users": [(50, {"user_id": "n + 1", "name": "'A' || n"})],
        "statuses": [(3, {"pipeline_id": "1", "pipeline_name": "'A'", "status_name": "'A' || n", "status_sort": "n",
                          "status_id": "case n when 0 then 11 when 1 then 12 else 142 end"})],
        "names": [(5_000, {"source_table": "'tags'", "parent": "'leads'", "id": "n / 4", "name": "'A' || n",
                           "first_seen_at": renamed,
                           "gone_at": f"case when n % 4 < 3 then {renamed} + interval '100 days' end"})],
        "syncs": [(24 * DAYS, {
            "started_at": f"{AT} - interval '1 hour' * n", "ended_well": "true", "rows": "100", "failures": "'[]'",
            "ended_at": f"{AT} - interval '1 hour' * n + interval '90 seconds'", "requests": "40 + n % 7",
            "disk_free": "50000000000 - n", "tables": f"'{READ}'",
        })],
    }  # fmt: skip


def filled(database: str, flavour: str, events: int, burst: int) -> int:
    """Writes the account. Returns how many rows it has."""
    zone = {"datetime_settings": {"timezone": "Europe/Moscow"}, "invoices_settings": {"currency": "RUB"}}
    found = parts(events, burst)
    named = [{"account_id": 1, "name": "A", **zone}]
    models.store(database, PROJECT, {**dict.fromkeys((*EMPTY, *found), ()), "account": named}, flavour)
    opened: Any = psycopg2.connect(database) if flavour == "postgres" else duckdb.connect(database)
    with closing(opened) as connection:
        cursor = connection.cursor()
        for table, rows in found.items():
            types = {name: models.TYPES[flavour][kind] for name, kind in models.kinds(table).items()}
            for count, columns in rows:
                values = ", ".join(f"CAST({sql} AS {types[name]})" for name, sql in columns.items())
                if flavour == "duckdb":
                    values = values.replace(" / ", " // ")  # PostgreSQL divides whole numbers so
                cursor.execute(
                    f"INSERT INTO amocrm.amocrm_{PROJECT}_{table} ({', '.join(columns)}) SELECT {values} "
                    f"FROM generate_series(0, {count - 1}) AS numbers (n)"
                )
        connection.commit()
    return sum(count for rows in found.values() for count, _ in rows)


def habits(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """One line for each mart in DuckDB and in PostgreSQL, built once more when all that it reads is there."""
    events, burst = (50_000, 7_000) if quick else (500_000, 70_000)
    folder = workspace.folder.resolve()
    with postgres.server() as server:
        for flavour, database in (("duckdb", str(folder / "habits.duckdb")), ("postgres", server)):
            rows = filled(database, flavour, events, burst)
            build(database, [PROJECT], now=NOW)
            for mart, seconds in built_again(database, folder).items():
                name = f"{events:,} events, {rows:,} rows in all, {mart} in {flavour}"
                yield Line(name, {"took": f"{seconds:.1f} s", "at most": f"{MOST} s"}, seconds <= MOST)


def built_again(database: str, folder: Path) -> dict[str, float]:
    """Builds each mart alone. Returns the seconds of its models."""
    from dbt.cli.main import dbtRunner

    os.environ.update(environment(database), AMOCRM_TARGET=str(folder / "target"))
    project = ["--project-dir", str(PACKAGE), "--profiles-dir", str(PACKAGE), "--log-path", str(folder), "--quiet"]
    variables = ["--vars", json.dumps({"projects": [PROJECT], "now": NOW})]
    found = {}
    for mart, parts_of_it in MARTS.items():
        done: Any = dbtRunner().invoke(["run", "--select", *parts_of_it, *project, *variables])
        if not done.success:
            raise SystemExit(f"{mart} cannot be built: {done.exception or done.result}")
        found[mart] = sum(one.execution_time for one in done.result)
    return found
