"""Databases with the connector's tables, as a sync and Airbyte's own destination write them; `source-amocrm models`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import duckdb
import psycopg

from .forked import Forked
from .warehouse import ROOT

Row = dict[str, Any]
PARSED = TemporaryDirectory(prefix="amocrm-models-parsed-")
"""What dbt has parsed, for this process of tests alone: others may run at the same time."""
SCHEMAS = ROOT / "source_amocrm" / "schemas"
NAMES = ("int", "number", "text", "bool", "time", "json")
TYPES = {
    flavour: dict(zip(NAMES, types, strict=True))
    for flavour, types in {
        "duckdb": ("BIGINT", "DECIMAL(38,9)", "VARCHAR", "BOOLEAN", "TIMESTAMP WITH TIME ZONE", "JSON"),
        "postgres": ("bigint", "numeric", "varchar", "boolean", "timestamptz", "jsonb"),
        "destination": ("bigint", "numeric(38,9)", "varchar", "boolean", "timestamptz", "jsonb"),
        "texts": ("bigint", "text", "text", "boolean", "text", "text"),
    }.items()
}
"""The types of columns: of a sync into DuckDB and into PostgreSQL, of Airbyte's PostgreSQL destination, and of one
that writes times and JSON as text."""
KINDS = {"integer": "int", "number": "number", "boolean": "bool", "array": "json", "object": "json", "string": "text"}


def kinds(table: str) -> dict[str, str]:
    """The kind of each column, from the table's schema."""
    properties = json.loads((SCHEMAS / f"{table}.json").read_text(encoding="utf-8"))["properties"]
    found = {}
    for name, schema in properties.items():
        types = (
            [schema["type"]] if isinstance(schema["type"], str) else [kind for kind in schema["type"] if kind != "null"]
        )
        found[name] = "time" if schema.get("format") == "date-time" else KINDS[types[0]]
    return found


def store(
    database: str, project: str, tables: Mapping[str, Iterable[Row]], flavour: str, without: Iterable[str] = ()
) -> None:
    """Replaces the project's tables; columns named in `without` are left out, as of an older version."""
    for table, rows in tables.items():
        columns = {name: TYPES[flavour][kind] for name, kind in kinds(table).items() if name not in set(without)}
        name, made = (
            f"amocrm.amocrm_{project}_{table}",
            ", ".join(f'"{column}" {kind}' for column, kind in columns.items()),
        )
        kept = [{column: _value(row.get(column), kind) for column, kind in columns.items()} for row in rows]
        document = json.dumps(kept, ensure_ascii=False)
        if database.startswith("postgresql:"):
            with psycopg.connect(database) as connection:
                connection.execute("CREATE SCHEMA IF NOT EXISTS amocrm")
                connection.execute(cast(Any, f"DROP TABLE IF EXISTS {name}"))
                connection.execute(cast(Any, f"CREATE TABLE {name} ({made})"))
                fill = f"INSERT INTO {name} SELECT * FROM json_populate_recordset(NULL::{name}, %s::json)"
                connection.execute(cast(Any, fill), [document])
            continue
        with closing(duckdb.connect(database)) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS amocrm")
            connection.execute(f"CREATE OR REPLACE TABLE {name} ({made})")
            if kept:
                shape = ", ".join(f"'{column}': '{kind}'" for column, kind in columns.items())
                path = Path(database).with_suffix(".json")
                path.write_text(document, encoding="utf-8")
                connection.execute(
                    f"INSERT INTO {name} SELECT * FROM read_json('{path}', format='array', columns={{{shape}}}, "
                    "maximum_object_size=100000000)"
                )


def store_syncs(database: str, project: str, syncs: Iterable[tuple[str, str, list[str]]]) -> None:
    """Writes the DuckDB table of syncs: when each began and ended (UTC), and the sentences of its failures."""
    name = f"amocrm.amocrm_{project}_syncs"
    with closing(duckdb.connect(database)) as connection:
        connection.execute(
            f"CREATE OR REPLACE TABLE {name} (started_at timestamptz, ended_at timestamptz, ended_well boolean, "
            "rows bigint, failures json)"
        )
        for started_at, ended_at, failures in syncs:
            row = [f"{started_at}:00+00", f"{ended_at}:00+00", not failures, json.dumps(failures, ensure_ascii=False)]
            connection.execute(f"INSERT INTO {name} VALUES (?, ?, ?, 1, ?)", row)


def _value(value: Any, kind: str) -> Any:
    return json.dumps(value, ensure_ascii=False) if kind == "text" and isinstance(value, list | dict) else value


def build(database: str, *arguments: str, **environment: str) -> str:
    """Runs `source-amocrm models` to a good end; returns what it says."""
    done = run(database, *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(database: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process forked from one that has imported dbt: the import takes seconds."""
    parsed = Path(PARSED.name) / ("postgres" if database.startswith("postgresql:") else "duckdb")
    given = {"DB": database, "AMOCRM_TARGET": str(parsed), **environment}
    process = Forked(["models", *arguments], given, stderr_apart=True)
    stdout, stderr = process.communicate(timeout=300)
    return subprocess.CompletedProcess(arguments, process.wait(0), stdout, stderr)


def query(database: str, sql: str) -> list[Row]:
    if database.startswith("postgresql:"):
        with psycopg.connect(database) as connection:
            cursor = connection.execute(cast(Any, sql))
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, map(plain, row), strict=True)) for row in cursor]
    with closing(duckdb.connect(database, read_only=True)) as connection:
        result = connection.execute(sql)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, map(plain, row), strict=True)) for row in result.fetchall()]


def plain(value: Any) -> Any:
    """One form for what databases and the oracle give; of a number 15 digits, as many as the oracle's sums have."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | Decimal):
        return round(float(f"{value:.15g}"), 4)
    return float(f"{value:.15g}") if isinstance(value, int) and not isinstance(value, bool) else value
