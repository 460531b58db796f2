"""Statements on a database that is there, DuckDB or PostgreSQL alike."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Timer
from typing import Any
from urllib.parse import unquote

import duckdb
import psycopg2

from amocrm_warehouse.address import duckdb_file, is_file, location, postgres_url
from amocrm_warehouse.report.data import Run

Failed = (duckdb.Error, psycopg2.Error)


MODELS = re.compile(r"\bamocrm_(marts|staging)\.")
"""The schemas of the models, as statements name them."""


@contextmanager
def reading(database: str, *, read_only: bool = False, seconds: float | None = None) -> Iterator[Run]:
    """Runs statements, `$name` in which is a value, and which all see the database as it is at one moment.

    The schemas `amocrm_marts` and `amocrm_staging` stand for those in which the models are, see `_schemas`.

    With `read_only` the database refuses whatever would write, and DuckDB whatever reads other files; all statements
    together take no longer than `seconds`. Raises one of `Failed`.
    """
    with closing(_opened(database, read_only, seconds)) as connection:
        # a cursor of DuckDB would be a connection of its own, with a transaction of its own
        cursor = connection if is_file(database) else connection.cursor()

        schemas: dict[str, str] = {}

        def run(sql: str, **values: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
            if MODELS.search(sql):
                schemas.update(schemas or _schemas(statement))
                sql = MODELS.sub(lambda found: f"{schemas[found[1]]}.", sql)
            return statement(sql, **values)

        def statement(sql: str, **values: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
            if values and not is_file(database):
                sql = re.sub(r"\$(\w+)", r"%(\1)s", sql.replace("%", "%%"))
            cursor.execute(sql, values or None)
            return [column[0] for column in cursor.description or ()], cursor.fetchall() if cursor.description else []

        with _ended_after(connection, seconds if is_file(database) else None):
            yield run


def _schemas(run: Run) -> dict[str, str]:
    """Where the models are: `source-amocrm models` builds in amocrm_…, a dbt project in schemas of its own target.

    Those of the first are taken if they are there, else the ones that were built last.
    """
    wanted = {"marts": ("freshness", "deal_stage_history"), "staging": ("int_accounts", "int_deal_ways")}
    names = ", ".join(f"'{name}'" for pair in wanted.values() for name in pair)
    _, found = run(f"SELECT table_schema, table_name FROM information_schema.tables WHERE table_name IN ({names})")
    there = {
        kind: sorted(schema for schema, name in found if name == first and (schema, second) in found)
        for kind, (first, second) in wanted.items()
    }
    if "amocrm_marts" in there["marts"] or not (there["marts"] and there["staging"]):
        return {"marts": "amocrm_marts", "staging": "amocrm_staging"}
    built = {schema: run(f'SELECT max(built_at) FROM "{schema}".freshness')[1][0][0] for schema in there["marts"]}
    marts = max(
        (schema for schema in built if built[schema]), key=lambda schema: built[schema], default=there["marts"][0]
    )
    beside = f"{marts.removesuffix('marts')}staging"
    return {"marts": f'"{marts}"', "staging": f'"{beside if beside in there["staging"] else there["staging"][0]}"'}


@contextmanager
def _ended_after(connection: Any, seconds: float | None) -> Iterator[None]:
    """DuckDB has no time limit of its own, so a timer interrupts the statement."""
    timer = Timer(seconds, connection.interrupt) if seconds else None
    if timer:
        timer.start()
    try:
        yield
    finally:
        if timer:
            timer.cancel()


def _opened(database: str, read_only: bool = False, seconds: float | None = None) -> Any:
    location(database)
    if is_file(database):
        sealed: Any = {"enable_external_access": False} if read_only else {}
        connection = duckdb.connect(str(duckdb_file(database)), read_only=read_only, config=sealed)
        connection.execute("SET enable_progress_bar = false")  # on a terminal, of a statement that takes long
        if read_only:
            connection.execute("SET lock_configuration = true")
        connection.execute("BEGIN")
        return connection
    url = postgres_url(database)
    return psycopg2.connect(
        host=url.hostname or "localhost",
        port=url.port or 5432,
        user=unquote(url.username or "postgres"),
        password=unquote(url.password or "") or os.environ.get("PGPASSWORD"),
        dbname=url.path.strip("/") or "postgres",
        options="-c default_transaction_isolation=repeatable\\ read"
        + (" -c default_transaction_read_only=on" if read_only else "")
        + (f" -c statement_timeout={1000 * seconds:.0f}" if seconds else ""),
    )


def tables(database: str) -> set[str]:
    """Names with their schemas; none where the database cannot be read."""
    try:
        return tables_of(database)
    except Failed:
        return set()


def tables_of(database: str) -> set[str]:
    """Names with their schemas. Raises one of `Failed`."""
    with reading(database) as run:
        _, rows = run("SELECT table_schema || '.' || table_name FROM information_schema.tables")
        return {name for (name,) in rows}


def united(database: str) -> list[str]:
    """The projects that the marts unite."""
    if not any(name.endswith(".int_accounts") for name in tables(database)):
        return []
    with reading(database) as run:
        _, rows = run("SELECT project_id FROM amocrm_staging.int_accounts ORDER BY 1")
        return [project for (project,) in rows]
