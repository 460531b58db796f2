"""Where a database is: a DuckDB file, or the address of a PostgreSQL server."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

POSTGRES = "postgresql://user@host:port/name, with the password in the environment variable PGPASSWORD"
DUCKDB_SUFFIXES = (".duckdb", ".ddb", ".db")


def without_password(database: str) -> str:
    return re.sub("(://[^:@/]*):.*@", r"\1@", database)


def location(database: str) -> SplitResult | Path:
    """Where the server or the file is. Raises ValueError for what is no database."""
    return postgres_url(database) if "://" in database else duckdb_file(database)


def postgres_url(address: str) -> SplitResult:
    """Raises ValueError, in which nothing of the address is repeated: there may be a password in it."""
    try:
        url = urlsplit(address)
        if url.scheme in ("postgres", "postgresql") and url.port != 0 and not url.query and not url.fragment:
            return url
    except ValueError:
        pass  # what stands for the host is no host, or for the port no number
    raise ValueError(
        f"The database is a DuckDB file, or {POSTGRES}. Characters such as # / ? @ in a password that is written "
        "before the host are written by their codes (%23 %2F %3F %40)."
    )


def duckdb_file(name: str) -> Path:
    """Raises ValueError for what is no DuckDB file and will not be one."""
    first, path = name.split("/")[0], Path(name).resolve()
    if first == "localhost" or ":" in first or "@" in first or re.search(":.*@", name):
        raise ValueError(
            f"The database looks like a server's address without its beginning: write {POSTGRES}. A DuckDB file of "
            "such a name is given with its folder, as in ./name."
        )
    if not path.parent.is_dir() and path.suffix not in DUCKDB_SUFFIXES:
        raise ValueError(
            "The folder that the DuckDB file is to be in is not there. Make it first; or, if a server is meant, "
            f"write {POSTGRES}."
        )
    if path.is_dir():
        raise ValueError(f"The database {path} is a folder; give the DuckDB file in it.")
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(12)[8:] != b"DUCK":
                raise ValueError(f"The database {path} is there already and is no DuckDB file.")
    return path


def add_database(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """From the environment: whoever lists the processes of the machine sees what stands on a command line."""
    parser.add_argument(
        "--db", default=os.environ.get("DB") or otherwise, help=f"a DuckDB file, or {POSTGRES}; DB in the environment"
    )
