"""Measures publish: the marts of a large account into PostgreSQL, MariaDB and Parquet, beside a bare copy of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pymysql

from testing import mariadb, postgres
from testing.warehouse import PYTHON

from .answers import PROJECT, tables
from .line import Line, Workspace
from .measure import ROOT, Process, run

MOST_CPU, MOST_MEMORY = 2.0, 400_000_000
"""Limits: the CPU of publish and of the server to that of a bare COPY, and the peak of publish (bytes)."""
COPY = """
import sys, duckdb, psycopg2
source = duckdb.connect(sys.argv[1], read_only=True)
with psycopg2.connect(sys.argv[2]) as target, target.cursor() as cursor:
    marts = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'amocrm_marts'"
    for (name,) in source.execute(marts).fetchall():
        columns = source.execute(f"DESCRIBE amocrm_marts.{name}").fetchall()
        listed = ", ".join(f'"{column[0]}"' for column in columns)
        values = ", ".join(f'to_json("{c[0]}") AS "{c[0]}"' if "[]" in c[1] else f'"{c[0]}"' for c in columns)
        source.execute(f"COPY (SELECT {values} FROM amocrm_marts.{name}) TO '{sys.argv[3]}' (FORMAT csv, HEADER false)")
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS bare; CREATE TABLE bare.{name} (LIKE amocrm_marts.{name})")
        with open(sys.argv[3], "rb") as file:
            cursor.copy_expert(f"COPY bare.{name} ({listed}) FROM STDIN (FORMAT csv)", file)
"""
"""What PostgreSQL takes of DuckDB's files with nothing between, into tables without an index."""
LOAD_DATA = r"""
import sys, duckdb, pymysql
from urllib.parse import urlsplit
source = duckdb.connect(sys.argv[1], read_only=True)
target = pymysql.connect(host="127.0.0.1", port=urlsplit(sys.argv[2]).port, user="root", local_infile=True)
cursor = target.cursor()
cursor.execute("CREATE DATABASE bare")
marts = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'amocrm_marts'"
for (name,) in source.execute(marts).fetchall():
    columns = source.execute(f"DESCRIBE amocrm_marts.{name}").fetchall()
    listed = ", ".join(f"`{column[0]}`" for column in columns)
    values = ", ".join(f'"{c[0]}"::int' if c[1] == "BOOLEAN" else f'"{c[0]}"' for c in columns)
    file = f"'{sys.argv[3]}' (FORMAT csv, HEADER false, NULLSTR 'NULL')"
    source.execute(f"COPY (SELECT {values} FROM amocrm_marts.{name}) TO {file}")
    cursor.execute(f"CREATE TABLE bare.{name} SELECT * FROM amocrm_marts.{name} LIMIT 0")
    cursor.execute(
        f"LOAD DATA LOCAL INFILE '{sys.argv[3]}' INTO TABLE bare.{name} CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' "
        f"OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n' ({listed})"
    )
target.commit()
"""
"""The same for MariaDB."""
PARQUET = """
import sys, duckdb
source = duckdb.connect(sys.argv[1], read_only=True)
marts = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'amocrm_marts'"
for (name,) in source.execute(marts).fetchall():
    source.execute(f"COPY amocrm_marts.{name} TO '{sys.argv[3]}' (FORMAT parquet)")
"""


def published(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """Each destination twice: the second run replaces the rows of the first."""
    leads = 2_000 if quick else 50_000
    folder = workspace.folder.resolve()
    database, output = folder / f"{leads}-marts.duckdb", folder / "publish.txt"
    if not database.exists():
        made = database.with_suffix(".made")
        made.write_bytes(tables(workspace, leads).read_bytes())
        command = [str(PYTHON), "-m", "amocrm_warehouse.models_command", "--project", PROJECT, "--db", f"{made}"]
        run(command, ROOT, output)
        made.rename(database)
    lake = nullcontext(f"file://{folder}/lake")
    targets: dict[str, tuple[Callable[[], AbstractContextManager[str]], str]] = {
        "PostgreSQL": (postgres.server, COPY), "MariaDB": (mariadb.server, LOAD_DATA),
        "Parquet": (lambda: lake, PARQUET),
    }  # fmt: skip
    for name, (opened, least) in targets.items():
        with opened() as address:
            if name == "PostgreSQL":
                _leave_replaced_rows(address)

            def measured(command: list[str], address: str = address) -> tuple[Process, float]:
                before = _server_cpu(address)
                done = run([str(PYTHON), *command], ROOT, output)
                return done, done.cpu + _server_cpu(address) - before

            publish = ["-m", "amocrm_warehouse.publish.publish_command", "--quiet", "--from", f"{database}"]
            first = measured([*publish, "--to", address])
            # before the second: MariaDB clears replaced rows later, beside whatever runs then
            _, bare = measured(["-c", least, f"{database}", address, f"{folder}/bare.rows"])
            runs = {"first": first, "second": measured([*publish, "--to", address])}
            for kind, (done, cpu) in runs.items():
                figures = {
                    **done.figures, "CPU with the server": f"{cpu:.1f} s", "bare": f"{bare:.1f} s",
                    "ratio": f"{cpu / bare:.2f}", "at most": f"{MOST_CPU}",
                }  # fmt: skip
                held = done.memory <= MOST_MEMORY and cpu <= MOST_CPU * bare
                yield Line(f"marts of {leads:,} leads, {name}, {kind}", figures, held)


def _leave_replaced_rows(address: str) -> None:
    """Lets PostgreSQL clear replaced rows never, instead of some time later, beside what is measured then."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")


def _server_cpu(address: str) -> float:
    """Returns the CPU of the server at the address so far, ended processes included (seconds); 0 for a lake."""
    if address.startswith("file"):
        return 0.0
    if address.startswith("postgresql"):
        with psycopg.connect(address) as connection:
            [folder] = connection.execute("SHOW data_directory").fetchone() or [""]
        server = int((Path(folder) / "postmaster.pid").read_text().split()[0])
    else:
        with closing(pymysql.connect(host="127.0.0.1", port=urlsplit(address).port or 0, user="root")) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT @@pid_file")
            server = int(Path(cursor.fetchone()[0]).read_text())
    seconds = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()  # from the third on
        except OSError:
            continue  # it has ended
        if server in (int(stat.parent.name), int(fields[1])):
            seconds += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return seconds
