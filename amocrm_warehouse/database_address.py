"""Where a database is: a DuckDB file or a PostgreSQL server."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from amocrm_warehouse.known_names import nearest_name
from source_amocrm.secrecy import add_to_secrets, mask

DEFAULT = "duckdb:///amocrm.duckdb"
POSTGRES = "postgresql://user@host:port/name, with the password in the environment variable PGPASSWORD"
DUCKDB_SUFFIXES = (".duckdb", ".ddb", ".db")
OTHERS = dict.fromkeys(
    ("mysql", "mariadb", "file", "s3"),
    "Its marts go on into another warehouse by `source-amocrm publish --to {name}://…` (docs/publish.md).",
) | dict.fromkeys(
    ("motherduck", "clickhouse", "bigquery", "mssql", "snowflake", "redshift"),
    "Its marts go on into Parquet files, which {name} or its tools read, by `source-amocrm publish --to "
    "s3://bucket/lake` (docs/publish.md); the account's tables by Airbyte's destination of that "
    "name (docs/guides/airbyte-ui.md).",
)
"""The next step for whoever names another warehouse, by its scheme."""
PASSWORD = re.compile(r"(://[^:@/\s]*):(\S*)@")
TOKEN = re.compile(r"([?&;]\w*(?:password|pwd|token|secret|key)\w*=)([^&;\s]*)", re.IGNORECASE)
"""The password before a host, and a parameter that is one."""
SHORTEST_SECRET = 9
"""Characters of a password from which on it is left out wherever it stands. A shorter one may be a word."""
SCHEMES = {"duckdb": "duckdb", "postgresql": "postgresql", "postgres": "postgresql"}


def scheme(database: str) -> str:
    """Returns duckdb or postgresql. Raises ValueError, with the next step, for any other."""
    if "://" not in database:
        return "duckdb"
    written = database.partition("://")[0].lower()
    if written in SCHEMES:
        return SCHEMES[written]
    if written in OTHERS:
        advice = OTHERS[written].format(name=written)
        raise ValueError(f"An account is read into a database of DuckDB or PostgreSQL, not into {written}. {advice}")
    nearest = get_close_matches(written.partition("+")[0], SCHEMES, n=1)
    hint = f"The nearest name is {nearest[0]}" if nearest else "A DuckDB file is duckdb:///file.duckdb"
    raise ValueError(f"There is no kind of database “{written}”. {hint}; there are duckdb and postgresql.")


def remembered(address: str) -> str:
    """Returns the address, whose password or token `without_password` leaves out from now on wherever it stands."""
    found = [match[2] for pattern in (PASSWORD, TOKEN) for match in pattern.finditer(address)]
    for secret in (*found, os.environ.get("PGPASSWORD", "")):
        if len(secret) >= SHORTEST_SECRET:
            for form in {secret, unquote(secret)}:
                add_to_secrets(form)
    return address


def without_password(text: str) -> str:
    """Returns an address, or a sentence that holds addresses, without their passwords and tokens."""
    return TOKEN.sub(r"\1****", PASSWORD.sub(r"\1@", mask(text)))


def location(database: str) -> SplitResult | Path:
    """Returns the file of a DuckDB or the URL of a PostgreSQL database. Raises ValueError for any other."""
    return duckdb_file(database) if is_file(database) else postgres_url(database)


def existing(database: str) -> SplitResult | Path:
    """Returns the location of a database. Raises ValueError if it is a DuckDB file that is not there."""
    found = location(database)
    if isinstance(found, Path) and not found.exists():
        if database == DEFAULT:
            raise ValueError(
                f"There is no DuckDB file {found}, which is read by default. Name the database into which an account "
                "was read: --to duckdb:///file.duckdb, or DB in the environment."
            )
        meant = nearest_name(found.name, sorted(one.name for one in found.parent.glob("*.duckdb")))
        advice = f"Did you mean {meant}? If not, read" if meant else "Read"
        raise ValueError(f"There is no DuckDB file {found}. {advice} an account into it first: source-amocrm sync.")
    return found


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server and a database on it. `password`: that of the address, "" if there is none in it."""

    host: str
    port: int
    user: str
    password: str
    database: str


def server_of(url: SplitResult) -> Server:
    """Returns the parts of a PostgreSQL address, with libpq's default for each missing part."""
    return Server(
        url.hostname or "localhost",
        url.port or 5432,
        unquote(url.username or "postgres"),
        unquote(url.password or ""),
        url.path.strip("/") or "postgres",
    )


def is_file(database: str) -> bool:
    """Whether the database is a DuckDB file. Raises ValueError for an unknown kind of database."""
    return scheme(database) == "duckdb"


def postgres_url(address: str) -> SplitResult:
    """Parses an address. Raises ValueError, which does not repeat the address: there may be a password in it."""
    try:
        url = urlsplit(address)
        if url.scheme in ("postgres", "postgresql") and url.port != 0 and not url.query and not url.fragment:
            return url
    except ValueError:
        pass  # the host or the port cannot be one
    raise ValueError(
        f"The database is a DuckDB file, or {POSTGRES}. Characters such as # / ? @ in a password that is written "
        "before the host are written by their codes (%23 %2F %3F %40). Options come by the environment, TLS for "
        "example by PGSSLMODE."
    )


def duckdb_file(database: str) -> Path:
    """Returns the file of `duckdb:///name`, or of the bare name. Raises ValueError if it cannot be a DuckDB file."""
    name = database
    if "://" in database or database.startswith("duckdb:"):
        host, _, name = database.partition("://")[2].partition("/")
        if host or not name:
            raise ValueError(
                "A DuckDB file is written duckdb:///file.duckdb, or duckdb:////folder/file.duckdb from the root."
            )
    rest = re.sub(r"^[A-Za-z]:(?=[\\/])", "", name) if os.name == "nt" else name
    first = rest.split("/")[0]
    if first == "localhost" or ":" in first or "@" in first or re.search(":.*@", rest):
        raise ValueError(
            f"The database looks like a server's address without its beginning: write {POSTGRES}. A DuckDB file of "
            "such a name is given with its folder, as in ./name."
        )
    try:
        return _checked(Path(name).resolve())
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"The DuckDB file {name} cannot be opened: {reason}.") from None


def _checked(path: Path) -> Path:
    """Returns the path if a DuckDB file is there, or nothing yet. Else raises ValueError, OSError or RuntimeError."""
    if not path.parent.is_dir() and path.suffix not in DUCKDB_SUFFIXES:
        raise ValueError(
            "The folder that the DuckDB file is to be in is not there. Make it first; or, if a server is meant, "
            f"write {POSTGRES}."
        )
    if not path.parent.is_dir():
        raise ValueError(f"The folder {path.parent} of the DuckDB file is not there. Make it first.")
    if path.is_dir():
        raise ValueError(f"The database {path} is a folder; give the DuckDB file in it.")
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(12)[8:] != b"DUCK":
                raise ValueError(f"The database {path} is there already and is no DuckDB file.")
    return path


def listed(text: str) -> list[str]:
    """The names in an option such as `deals, users`."""
    return [name for part in text.split(",") if (name := part.strip())]


def add_database(parser: argparse.ArgumentParser, otherwise: str = DEFAULT) -> None:
    """Adds the option of the database, which DB in the environment may replace: any user can list command lines."""
    parser.add_argument(
        "--to",
        "--db",
        dest="db",
        type=remembered,
        metavar="URL",
        default=os.environ.get("DB") or otherwise,
        help=f"the database: duckdb:///file.duckdb, or {POSTGRES}; by default DB in the environment, then {otherwise}",
    )
