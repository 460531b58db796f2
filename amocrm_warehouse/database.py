"""Runs statements on an existing database, DuckDB or PostgreSQL alike."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import duckdb
import psycopg2

from amocrm_warehouse.database_address import existing, is_file, server_of
from amocrm_warehouse.database_errors import RIGHTS, check_rights

Run = Callable[..., tuple[list[str], list[tuple[Any, ...]]]]
"""Runs a statement with values for its `$names`. Returns the names of the columns, and the rows."""
SEALED = {
    "enable_external_access": False, "lock_configuration": True,
    "memory_limit": "1GB", "max_temp_directory_size": "2GB",
}  # fmt: skip
"""The settings of a DuckDB file that is only read. What takes more memory or disk fails."""
OF_ONE_STATEMENT = (
    "-c work_mem=16MB -c max_parallel_workers_per_gather=0 -c jit=off -c standard_conforming_strings=on "
    "-c search_path=pg_catalog"
)
"""The settings of PostgreSQL for a statement of an assistant: one process, small tables in memory, and no functions but
PostgreSQL's own under bare names. PostgreSQL has no limit of memory for a user."""
DATABASE_ERRORS = (duckdb.Error, psycopg2.Error)
CONNECT_TIMEOUT = 15
"""Deadline of a connection to a PostgreSQL server (seconds)."""
MODELS = re.compile(r"\bamocrm_(marts|staging)\.")
"""The schemas of the models, as statements name them."""


@contextmanager
def reading(database: str, *, read_only: bool = False, seconds: float | None = None) -> Iterator[Run]:
    """Yields a function that runs statements, in which `$name` is a value. All see the database at one moment.

    The schemas `amocrm_marts` and `amocrm_staging` stand for those in which the models are, see `_schemas`.

    With `read_only` the database refuses to write, and a DuckDB file has the settings of SEALED. `seconds`: deadline of
    all statements together in DuckDB, of each in PostgreSQL. Raises one of DATABASE_ERRORS.
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

        with _interrupted_after(connection, seconds if is_file(database) else None):
            yield run


def _schemas(run: Run) -> dict[str, str]:
    """Returns the schemas of the marts and of staging.

    `source-amocrm models` builds in amocrm_…: these come first. A dbt project builds in schemas of its own target: of
    several, those that were built last are returned.
    """
    wanted = {"marts": ("freshness", "deal_stage_history"), "staging": ("int_accounts", "int_deal_ways")}
    names = ", ".join(f"'{name}'" for pair in wanted.values() for name in pair)
    _, found = run(f"SELECT table_schema, table_name FROM information_schema.tables WHERE table_name IN ({names})")
    present = {
        kind: sorted(schema for schema, name in found if name == first and (schema, second) in found)
        for kind, (first, second) in wanted.items()
    }
    if "amocrm_marts" in present["marts"] or not (present["marts"] and present["staging"]):
        return {"marts": "amocrm_marts", "staging": "amocrm_staging"}
    built = {schema: run(f'SELECT max(built_at) FROM "{schema}".freshness')[1][0][0] for schema in present["marts"]}
    dated = [schema for schema in built if built[schema]]
    marts = max(dated, key=lambda schema: built[schema], default=present["marts"][0])
    beside = f"{marts.removesuffix('marts')}staging"
    return {"marts": f'"{marts}"', "staging": f'"{beside if beside in present["staging"] else present["staging"][0]}"'}


@contextmanager
def _interrupted_after(connection: Any, seconds: float | None) -> Iterator[None]:
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
    url = existing(database)
    if isinstance(url, Path):
        # settings of a file's first connection hold for all of the process, so that none can be set on the next
        sealed: Any = SEALED if read_only else {}
        connection = duckdb.connect(str(url), read_only=read_only, config=sealed)
        if not read_only:
            connection.execute("SET enable_progress_bar = false")  # which a long statement would draw on a terminal
        connection.execute("BEGIN")
        return connection
    server = server_of(url)
    return psycopg2.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password or os.environ.get("PGPASSWORD"),
        dbname=server.database,
        connect_timeout=CONNECT_TIMEOUT,
        options="-c default_transaction_isolation=repeatable\\ read"
        + (" -c default_transaction_read_only=on" if read_only else "")
        + (f" -c statement_timeout={1000 * seconds:.0f} {OF_ONE_STATEMENT}" if seconds else ""),
    )


def tables(database: str) -> set[str]:
    """Returns the names of all tables, as schema.table; none if the database cannot be read."""
    try:
        return tables_of(database)
    except DATABASE_ERRORS:
        return set()


def tables_of(database: str) -> set[str]:
    """Returns the names of all tables, as schema.table. Raises one of DATABASE_ERRORS."""
    with reading(database) as run:
        _, rows = run("SELECT table_schema || '.' || table_name FROM information_schema.tables")
        return {name for (name,) in rows}


def check_writable(database: str, *schemas: str) -> None:
    """Raises ValueError if the PostgreSQL user may not write into the schemas; a DuckDB file is its owner's."""
    if not is_file(database):
        with reading(database) as run:
            check_rights([sql for (sql,) in run(RIGHTS.format(schemas=",".join(schemas)))[1] if sql])


def projects_in_marts(database: str) -> list[str]:
    """Returns the projects that the marts unite."""
    if not any(name.endswith(".int_accounts") for name in tables(database)):
        return []
    with reading(database) as run:
        _, rows = run("SELECT project_id FROM amocrm_staging.int_accounts ORDER BY 1")
        return [project for (project,) in rows]
