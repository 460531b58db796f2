"""Runs `source-amocrm sync` in its own process, and reads the tables that it wrote."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import duckdb
import psycopg

from sandbox import Fault, Server

from . import expected, forked
from .leaks import clean

ROOT = Path(__file__).resolve().parents[1]
PYTHON = Path(sys.executable)
COMMAND = [str(PYTHON), "-c", "from source_amocrm.run import run; run()"]

Row = dict[str, Any]


def start(config: Path, database: str, project: str, *options: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "sync", "--config", str(config), "--project", project, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "DB": database, **environment},
    )


@contextmanager
def unanswered(server: Server, path: str, since: int = 1) -> Iterator[None]:
    """Lets requests for that list hang, from the request numbered `since` on, so that a sync cannot end."""
    fault = Fault("hang", path, since=since)
    server.sandbox.faults.faults.insert(0, fault)
    try:
        yield
    finally:
        server.sandbox.faults.faults.remove(fault)


def refused(*arguments: str, **environment: str) -> str:
    """Runs a sync that must be refused before its first request. Returns its stderr."""
    done = forked.run(["sync", *arguments], environment)
    assert (done.returncode, done.stdout) == (2, "")
    return clean(done.stderr)


def query(database: str, sql: str) -> list[Row]:
    with asking(database) as ask:
        return ask(sql)


def execute(database: str, *statements: str) -> None:
    opened: Any = psycopg.connect(database) if database.startswith("postgresql:") else duckdb.connect(database)
    with closing(opened) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@contextmanager
def asking(database: str) -> Iterator[Callable[[str], list[Row]]]:
    """Yields a function for several queries on one connection. Opening a DuckDB file of many tables takes 0.1 s."""
    opened: Any = (
        psycopg.connect(database)
        if database.startswith("postgresql:")
        else duckdb.connect(database.removeprefix("duckdb:///"), read_only=True)
    )
    with closing(opened):

        def ask(sql: str) -> list[Row]:
            result = opened.execute(sql)
            names = [column[0] for column in result.description or ()]
            # psycopg reads JSON itself, and DuckDB gives its text
            packed = {column[0] for column in result.description or () if str(column[1]) == "JSON"}
            return [
                {
                    n: json.loads(v) if n in packed and v is not None else plain(v)
                    for n, v in zip(names, row, strict=True)
                }
                for row in result.fetchall()
            ]

        yield ask


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if value.microsecond else "%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def copied(database: str, folder: Path) -> str:
    """Returns the address of a copy of a database that nobody uses. `folder`: for the copy of a DuckDB file."""
    if not database.startswith("postgresql:"):
        return str(shutil.copy(database, folder / "copy.duckdb"))
    server, _, template = database.rpartition("/")
    name = f"copy_{uuid.uuid4().hex}"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(cast(Any, f"CREATE DATABASE {name} TEMPLATE {template}"))
    return f"{server}/{name}"


def stored(database: str, project: str, streams: Iterable[str]) -> dict[str, dict[tuple[Any, ...], Row]]:
    """Returns the rows of each table by key. Fails if a key is there twice."""
    tables: dict[str, dict[tuple[Any, ...], Row]] = {}
    with asking(database) as ask:
        for name in streams:
            key = expected.KEYS[name]
            rows = ask(f"SELECT * FROM amocrm.amocrm_{project}_{name}")
            tables[name] = {tuple(row[column] for column in key): row for row in rows}
            assert len(tables[name]) == len(rows), f"{name} holds a key twice"
    return tables
