"""Writes the connector's tables as a sync and as Airbyte's destinations do, and runs `source-amocrm models`."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import duckdb
import psycopg
import yaml

from docs.describe_models import layer
from docs.describe_models import models as described

from . import forked
from .warehouse import ROOT

Row = dict[str, Any]
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
"""Column types: of a sync into DuckDB and into PostgreSQL, of Airbyte's PostgreSQL destination, and of a destination
that writes times and JSON as text."""
KINDS = {"integer": "int", "number": "number", "boolean": "bool", "array": "json", "object": "json", "string": "text"}


OWN_TABLES = {
    "syncs": {
        "started_at": "time", "ended_at": "time", "ended_well": "bool", "rows": "int", "failures": "json",
        "tables": "json", "requests": "int", "disk_free": "int", "token_expires_at": "time",
    },
    "names": {
        "source_table": "text", "parent": "text", "id": "int", "name": "text", "color": "text", "sort": "int",
        "first_seen_at": "time", "gone_at": "time",
    },
    "verifications": {
        "verified_at": "time", "synced_at": "time", "source_table": "text", "is_whole": "bool",
        "rows_in_account": "int", "rows_in_database": "int", "looked_at": "int", "missing": "int", "extra": "int",
        "stale": "int", "changed_since": "int", "sampled": "int", "unequal": "int", "unequal_columns": "text",
        "failure": "text",
    },
}  # fmt: skip
"""Tables that no stream fills."""


def kinds(table: str) -> dict[str, str]:
    """Returns the kind of each column, from the table's schema."""
    if table in OWN_TABLES:
        return OWN_TABLES[table]
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
    """Replaces the project's tables. `without`: columns to leave out, as an older version of the connector did."""
    left_out = set(without)
    made = {}
    for table, rows in tables.items():
        of = {name: kind for name, kind in kinds(table).items() if name not in left_out}
        kept = [{column: _value(row.get(column), kind) for column, kind in of.items()} for row in rows]
        columns = {column: TYPES[flavour][kind] for column, kind in of.items()}
        made[f"amocrm.amocrm_{project}_{table}"] = columns, json.dumps(kept, ensure_ascii=False) if kept else None
    (_store_in_postgres if database.startswith("postgresql:") else _store_in_duckdb)(database, made)


def _store_in_postgres(database: str, made: Mapping[str, tuple[dict[str, str], str | None]]) -> None:
    """`made`: the columns of each table, with their types, and its rows as JSON, if it has any."""
    with psycopg.connect(database) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS amocrm")
        for name, (columns, document) in made.items():
            connection.execute(cast(Any, f"DROP TABLE IF EXISTS {name}"))
            connection.execute(cast(Any, f"CREATE TABLE {name} ({_listed(columns)})"))
            if document:
                fill = f"INSERT INTO {name} SELECT * FROM json_populate_recordset(NULL::{name}, %s::json)"
                connection.execute(cast(Any, fill), [document])


def _store_in_duckdb(database: str, made: Mapping[str, tuple[dict[str, str], str | None]]) -> None:
    path = Path(database).with_suffix(".json")
    with closing(duckdb.connect(database)) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE SCHEMA IF NOT EXISTS amocrm")
        for name, (columns, document) in made.items():
            connection.execute(f"CREATE OR REPLACE TABLE {name} ({_listed(columns)})")
            if document:
                shape = ", ".join(f"'{column}': '{kind}'" for column, kind in columns.items())
                path.write_text(document, encoding="utf-8")
                connection.execute(
                    f"INSERT INTO {name} SELECT * FROM read_json('{path}', format='array', columns={{{shape}}}, "
                    "maximum_object_size=100000000)"
                )
        connection.execute("COMMIT")


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(f'"{column}" {kind}' for column, kind in columns.items())


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
    """Runs `source-amocrm models`, which must succeed. Returns its output."""
    done = run(database, *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(database: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return forked.run(["models", "--quiet", *arguments], {"DB": database, **environment})


def query(database: str, sql: str) -> list[Row]:
    with asking(database) as ask:
        return ask(sql)


@contextmanager
def asking(database: str) -> Iterator[Callable[[str], list[Row]]]:
    """Yields a function for several queries on one connection. Opening a large DuckDB file takes 0.1 s."""
    opened: Any = (
        psycopg.connect(database) if database.startswith("postgresql:") else duckdb.connect(database, read_only=True)
    )
    with closing(opened):

        def ask(sql: str) -> list[Row]:
            result = opened.execute(sql)
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, map(plain, row), strict=True)) for row in result.fetchall()]

        yield ask


def plain(value: Any) -> Any:
    """Converts a value of a database or of the oracle for comparison. Numbers keep 15 digits, as the oracle's do."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | Decimal):
        return round(float(f"{value:.15g}"), 4)
    return float(f"{value:.15g}") if isinstance(value, int) and not isinstance(value, bool) else value


MODELS = yaml.safe_load((ROOT / "amocrm_warehouse" / "dbt" / "models.yaml").read_text(encoding="utf-8"))


def different(name: str, wanted: list[Row], found: list[Row]) -> list[str]:
    """The first few differences, in words; a row that is there twice is one."""
    key = MODELS[name].get("key") or sorted(wanted[0])
    want, got = counted(wanted), counted(found)
    missing, extra = (
        {tuple(dict(row)[c] for c in key): dict(row) for row in rows} for rows in (want - got, got - want)
    )
    told = []
    for own in sorted(missing.keys() | extra.keys(), key=str)[:4]:
        one, other = extra.get(own, {}), missing.get(own, {})
        values = {c: (one.get(c), other.get(c)) for c in {*one, *other} if one.get(c) != other.get(c)}
        told.append(f"{name} {own}: (got, wanted) {values}")
    return told


def counted(rows: list[Row]) -> Counter[frozenset[tuple[str, object]]]:
    return Counter(frozenset((column, plain(value)) for column, value in row.items()) for row in rows)


DEALS = {"deals", "statuses", "account", "users", "deal_statuses"}
"""The tables of a small sync: no customers, calls, messages, custom fields or events."""

MARTS = [name for name in described() if layer(name) == "marts"]

LATE_COLUMNS = ("source_id", "source_name", "loss_reason_name", "status_type", "is_deleted", "pipeline_is_archive")
"""Columns that a table of an older version does not have."""
