"""Runs statements on an existing database, DuckDB or PostgreSQL alike."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import SplitResult

import duckdb
import psycopg2

from amocrm_warehouse.database_address import existing, is_file, server_of
from amocrm_warehouse.database_errors import OWNERS, READ_RIGHTS, RIGHTS, check_owners, check_rights

Run = Callable[..., tuple[list[str], list[tuple[Any, ...]]]]
"""Runs a statement with values for its `$names`. Returns the names of the columns, and the rows."""
MEMORY, MOST_MEMORY = "AMOCRM_DUCKDB_MEMORY", "1GB"
"""The environment variable of DuckDB's memory_limit, and the limit without it.

Past it DuckDB spills into files beside the database; its own default is most of the machine. The dbt profile has both.
"""
SEALED = {
    "memory_limit": "1GB", "max_temp_directory_size": "2GB", "enable_external_access": False,
    "lock_configuration": True,
}  # fmt: skip
"""The settings of a DuckDB file that is only read. What takes more memory or disk fails, and a statement, which may
come from somebody else, reaches no other file."""
OF_ONE_STATEMENT = (
    "-c work_mem=16MB -c max_parallel_workers_per_gather=0 -c jit=off -c standard_conforming_strings=on "
    "-c search_path=pg_catalog"
)
"""The settings of PostgreSQL for a statement of an assistant: one process, small tables in memory, and no functions but
PostgreSQL's own under bare names. PostgreSQL has no limit of memory for a user."""
DATABASE_ERRORS = (duckdb.Error, psycopg2.Error)
CONNECT_TIMEOUT = 15
"""Deadline of a connection to a PostgreSQL server (seconds)."""
MODELS = re.compile(r"\bamocrm_(marts|staging)\.(\w+)(\s+as\b)?")
"""The tables of the models, as statements name them, perhaps by a name of their own."""


def parsed_json(value: Any) -> Any:
    """Returns the value of a JSON column: DuckDB gives its text, psycopg2 has parsed it."""
    return json.loads(value) if isinstance(value, str) else value


@contextmanager
def reading(
    database: str,
    *,
    read_only: bool = False,
    seconds: float | None = None,
    marts: str | None = None,
    memory: str | None = None,
) -> Iterator[Run]:
    """Yields a function that runs statements, in which `$name` is a value. All see the database at one moment.

    A statement names the models' tables in `amocrm_marts` and `amocrm_staging`, wherever they are: see `Models`.
    `marts`: the schema of the marts, if several schemas hold some.

    With `read_only` the database refuses to write, and a DuckDB file has the settings of SEALED. `seconds`: deadline of
    all statements together in DuckDB, of each in PostgreSQL. `memory`: DuckDB's memory_limit, if not the
    usual one. Raises one of DATABASE_ERRORS.
    """
    with closing(opened(database, read_only=read_only, seconds=seconds, memory=memory)) as connection:
        statement = run_on(connection, database)
        found: list[Models] = []
        again = ("ROLLBACK", "BEGIN") if is_file(database) else ("ROLLBACK TO SAVEPOINT opened",)
        if not is_file(database):
            statement("SAVEPOINT opened")

        def run(sql: str, **values: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
            if MODELS.search(sql):
                found.extend([] if found else [models_of(statement, marts)])
                sql = MODELS.sub(lambda name: found[0].relation(*name.groups()), sql)
            try:
                return statement(sql, **values)
            except DATABASE_ERRORS:
                with suppress(*DATABASE_ERRORS):  # a statement that fails would fail those after it
                    for one in again:
                        statement(one)
                raise

        with _interrupted_after(connection, seconds if is_file(database) else None):
            yield run


def run_on(connection: Any, database: str) -> Run:
    """Returns a function that runs statements on an opened database."""
    # a cursor of DuckDB would be a connection of its own, with a transaction of its own
    cursor = connection if is_file(database) else connection.cursor()

    def run(sql: str, **values: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
        if values and not is_file(database):
            sql = re.sub(r"\$(\w+)", r"%(\1)s", sql.replace("%", "%%"))
        cursor.execute(sql, values or None)
        return [column[0] for column in cursor.description or ()], cursor.fetchall() if cursor.description else []

    return run


@dataclass(frozen=True)
class Models:
    """Where the models are. A dbt project builds in schemas of its own target, and may replace a model by its own."""

    schemas: dict[str, str]
    """The schemas of the marts and of staging."""
    built: dict[str, tuple[str, str]]
    """The schema and the name of each table of the build, by its name in the package."""

    def relation(self, kind: str, table: str, named: str | None) -> str:
        schema, name = self.built.get(table, (self.schemas[kind], table))
        return f"{quoted(schema)}.{quoted(name)}" + (named or ("" if name == table else f" as {table}"))

    def tables(self, present: Collection[str]) -> set[str]:
        """Returns the tables of the build among `present`, named schema.table. Others may be of older builds."""
        return {table for table, (schema, name) in self.built.items() if f"{schema}.{name}" in present}


def models_of(run: Run, marts: str | None = None) -> Models:
    """Returns where the models are. `source-amocrm models` builds in amocrm_…; of other schemas the newest is taken."""
    if marts is None:
        present = _schemas_of_marts(run)
        built = {} if "amocrm_marts" in present else {schema: _built_at(run, schema) for schema in present}
        dated = [schema for schema in built if built[schema]]
        marts = max(dated, key=built.__getitem__, default=next(iter(built), "amocrm_marts"))
    staging = _schemas_with(run, "int_tables", "table_name", "table_schema", "relation_name")
    beside = f"{marts.removesuffix('marts')}staging"
    schemas = {"marts": marts, "staging": beside if beside in staging else next(iter(staging), beside)}
    if not staging:
        return Models(schemas, {})
    _, rows = run(f"SELECT table_name, table_schema, relation_name FROM {quoted(schemas['staging'])}.int_tables")
    return Models(schemas, {table: (schema, name) for table, schema, name in rows})


def models_there(run: Run) -> set[str]:
    """Returns the tables of models that are in the database."""
    return set(models_of(run).tables(tables_seen(run)))


def marts_to_read(run: Run, named: str | None) -> str:
    """Returns the schema whose marts are read. Raises ValueError if it holds none, or if none of several is named."""
    found = {schema: _built_at(run, schema) for schema in _schemas_of_marts(run)}
    present = {schema: moment for schema, moment in found.items() if moment}
    listed = ", ".join(f"{schema} (built {moment:%Y-%m-%d %H:%M} UTC)" for schema, moment in present.items())
    if named is None and len(present) == 1:
        return next(iter(present))
    if named in present:
        return str(named)
    if not present:
        raise ValueError("There are no marts in this database. Build them first: source-amocrm models.")
    if named is None:
        raise ValueError(f"Several schemas hold marts: {listed}. Name one: --built {next(iter(present))}.")
    raise ValueError(f"The schema {named} holds no marts. There are: {listed}.")


def _schemas_of_marts(run: Run) -> list[str]:
    return _schemas_with(run, "freshness", "project_id", "built_at")


def _schemas_with(run: Run, table: str, *columns: str) -> list[str]:
    """Returns the schemas that hold such a table; one of this name without these columns is somebody else's."""
    listed = "', '".join(columns)
    _, rows = run(
        f"SELECT table_schema FROM information_schema.columns WHERE table_name = '{table}' AND column_name IN "
        f"('{listed}') GROUP BY 1 HAVING count(*) = {len(columns)} ORDER BY 1"
    )
    return [schema for (schema,) in rows]


def _built_at(run: Run, schema: str) -> Any:
    return run(f"SELECT max(built_at) FROM {quoted(schema)}.freshness")[1][0][0]


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


def opened(
    database: str,
    *,
    read_only: bool = False,
    seconds: float | None = None,
    memory: str | None = None,
) -> Any:
    """Returns a connection to a DuckDB file or a PostgreSQL server, whose statements see the database at one moment.

    Raises ValueError for a wrong address, and one of DATABASE_ERRORS.
    """
    url = existing(database)
    if isinstance(url, Path):
        # settings of a file's first connection hold for all of the process, so that none can be set on the next
        settings: Any = SEALED if read_only else {}
        settings = settings | ({"memory_limit": memory} if memory else {})
        connection = duckdb.connect(str(url), read_only=read_only, config=settings)
        if not read_only:
            connection.execute("SET enable_progress_bar = false")  # which a long statement would draw on a terminal
            connection.execute(f"SET memory_limit = '{os.environ.get(MEMORY, MOST_MEMORY)}'")
        connection.execute("BEGIN")
        return connection
    return server_connection(
        url,
        "-c default_transaction_isolation=repeatable\\ read"
        + (" -c default_transaction_read_only=on" if read_only else "")
        + (f" -c statement_timeout={1000 * seconds:.0f} {OF_ONE_STATEMENT}" if seconds else ""),
    )


def server_connection(url: SplitResult, options: str = "") -> Any:
    """Returns a connection to a PostgreSQL server, whose texts are UTF-8 whatever PGCLIENTENCODING and the role say.

    `options`: settings of the session, as the server's command line has them.
    """
    server = server_of(url)
    return psycopg2.connect(
        host=server.host,
        port=server.port,
        user=server.user,
        password=server.password or os.environ.get("PGPASSWORD"),
        dbname=server.database,
        connect_timeout=CONNECT_TIMEOUT,
        client_encoding="UTF8",
        options=options or None,
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
        return tables_seen(run)


def tables_seen(run: Run) -> set[str]:
    """Returns the names of all tables, as schema.table."""
    _, rows = run("SELECT table_schema || '.' || table_name FROM information_schema.tables")
    return {name for (name,) in rows}


def dicts(run: Run, sql: str, **values: Any) -> list[dict[str, Any]]:
    """Returns the rows of a query, each by its columns."""
    columns, rows = run(sql, **values)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def quoted_table(run: Run, schema: str, table: str) -> str:
    """Returns a table's name for SQL, with the database's, because a DuckDB file may have the name of the schema."""
    _, [(catalog,)] = run("SELECT current_database()")
    return f"{quoted(catalog)}.{quoted(schema)}.{quoted(table)}"


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def check_writable(database: str, *schemas: str) -> None:
    """Raises ValueError if the PostgreSQL user may not write into the schemas, or not replace the tables there.

    A DuckDB file is its owner's.
    """
    if not is_file(database):
        with reading(database) as run:
            missing = [sql for (sql,) in run(RIGHTS.format(schemas=",".join(schemas)))[1] if sql]
            check_rights(missing)
            check_owners([owner for (owner,) in run(OWNERS, schemas=[*schemas])[1]])


def check_readable(run: Run, database: str, tables: Collection[str], schema: str, pattern: str = "") -> None:
    """Raises ValueError if there are such tables, or like `pattern`, in such schemas that the user may not read.

    Of a table without this right the user does not even see that it is there.
    """
    if not is_file(database):
        check_rights(
            [sql for (sql,) in run(READ_RIGHTS, schema=schema, tables=[*tables], pattern=pattern)[1]], "read the tables"
        )


def check_models_readable(run: Run, database: str, marts: str, tables: Collection[str]) -> Models:
    """Returns where the models are. Raises ValueError if the user may not read their list, or one of `tables`."""
    models = models_of(run, marts)
    if not models.built:
        check_readable(run, database, ["int_tables"], "%amocrm_staging")
    places = [models.built[table] for table in tables if table in models.built]
    for schema in sorted({schema for schema, _ in places}):
        check_readable(run, database, [name for home, name in places if home == schema], schema)
    return models


def projects_in_marts(database: str, marts: str | None = None) -> list[str]:
    """Returns the projects that the marts unite."""
    if not any(name.endswith(".int_accounts") for name in tables(database)):
        return []
    with reading(database, marts=marts) as run:
        _, rows = run("SELECT project_id FROM amocrm_staging.int_accounts ORDER BY 1")
        return [project for (project,) in rows]
