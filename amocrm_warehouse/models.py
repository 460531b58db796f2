"""`source-amocrm models`: the dbt models built on the tables that a sync wrote."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

from amocrm_warehouse.address import add_database, duckdb_file, is_file, location, postgres_url, without_password
from amocrm_warehouse.database import tables
from amocrm_warehouse.interrupt import ended
from amocrm_warehouse.place import own_folder

PACKAGE = Path(__file__).resolve().parent / "dbt"
SCHEMA = "amocrm"
"""Where a sync writes the tables."""
PLANS: dict[str, Callable[[str], Any]] = {
    "project_id": str, "month": date.fromisoformat, "responsible_user_id": int, "plan": Decimal,
}  # fmt: skip
"""The columns of a file of plans, and what each value must be."""


def build(database: str, projects: list[str], *, plans: Path | None = None, **variables: Any) -> int:
    """Builds and tests every model; returns how many there are. Raises ValueError with a sentence about what failed.

    Without a file of plans those that were given before stay.
    """
    if not projects:
        raise ValueError("No project is named: give the ids in the tables' prefixes, as in --project 1001.")
    if plans:
        check_plans(plans)
    given = {name: value for name, value in variables.items() if value is not None}
    kept: list[str] = []
    where = environment(database)
    # dbt takes seconds to import: a mistake above is told at once
    from dbt.cli.main import dbtRunner

    with TemporaryDirectory(prefix="amocrm-models-") as folder:
        os.environ.update(where, DBT_SEND_ANONYMOUS_USAGE_STATS="false")
        # what dbt has parsed for one kind of database is of no use for the other
        os.environ.setdefault("AMOCRM_TARGET", str(own_folder("dbt", os.environ["AMOCRM_TARGET_TYPE"])))
        if plans:
            shutil.copy(plans, Path(folder) / "plans.csv")
            os.environ["AMOCRM_SEEDS"] = folder
        elif "amocrm_staging.plans" in tables(database):
            kept = ["--exclude", "resource_type:seed"]
        command = ["--quiet", "--no-use-colors", "--log-path", folder, "build", "--no-version-check"]
        places = ["--project-dir", str(PACKAGE), "--profiles-dir", str(PACKAGE)]
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            result = dbtRunner().invoke(
                [*command, *kept, *places, "--vars", json.dumps({"projects": projects, **given})]
            )
    if not result.success:
        raise ValueError(reason(result, said.getvalue()))
    return sum(1 for one in result.result.results if one.node.resource_type == "model")


def environment(database: str) -> dict[str, str]:
    """What dbt/profiles.yml reads. Raises ValueError for what is no database."""
    location(database)
    if is_file(database):
        path = duckdb_file(database)
        if not path.exists():
            raise ValueError(f"There is no DuckDB file {path}. Read an account into it first: source-amocrm sync.")
        return {"AMOCRM_TARGET_TYPE": "duckdb", "AMOCRM_DUCKDB": str(path)}
    url = postgres_url(database)
    password = {"PGPASSWORD": unquote(url.password)} if url.password else {}
    return {
        "AMOCRM_TARGET_TYPE": "postgres",
        "AMOCRM_PG_HOST": url.hostname or "localhost",
        "AMOCRM_PG_PORT": str(url.port or 5432),
        "AMOCRM_PG_USER": unquote(url.username or "postgres"),
        "AMOCRM_PG_DATABASE": url.path.strip("/") or "postgres",
    } | password


def reason(result: Any, said: str) -> str:
    """One sentence about why dbt did not end well."""
    failed = [one for one in getattr(result.result, "results", None) or () if one.status in ("error", "fail")]
    told = [str(one.message) for one in failed if one.message] or [str(result.exception or said)]
    if ours := re.search(r"Compilation Error in operation [^\n]*\n\s*(.+)", told[0]):
        return ours[1].strip()
    lines = [line.strip() for line in told[0].splitlines() if line.strip()]
    if not failed:
        return f"The database cannot be opened, or the models not be read: {' '.join(lines[-2:]) or 'dbt says no more'}"
    names = ", ".join(one.node.name for one in failed)
    return f"These models or their tests failed: {names}. The first says: {' '.join(lines)[:500]}"


def check_plans(path: Path) -> None:
    """Raises ValueError where the file of plans cannot be used."""
    wanted = ",".join(PLANS)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if sorted(rows.fieldnames or ()) != sorted(PLANS):
                found = ",".join(rows.fieldnames or ()) or "nothing"
                raise ValueError(f"The first line of {path} must name the columns {wanted}; it has {found}.")
            for row in rows:
                for name, parse in PLANS.items():
                    check_value(path, rows.line_num, name, row[name] or "", parse)
    except OSError as error:
        raise ValueError(f"The file of plans {path} cannot be read: {error.strerror}.") from None


def check_value(path: Path, line: int, name: str, value: str, parse: Callable[[str], Any]) -> None:
    try:
        parsed = parse(value)
        if name == "month" and parsed.day != 1:
            raise ValueError
    except (ValueError, ArithmeticError):
        shown = "the first day of a month, as 2026-01-01" if name == "month" else "a number"
        raise ValueError(f"Line {line} of {path}: {name} must be {shown}, and is “{value}”.") from None


def add_options(parser: argparse.ArgumentParser) -> None:
    """What says which tables the models are built on, and how."""
    parser.add_argument("--project", default="1001", help="the projects to unite, separated by commas")
    add_database(parser)
    parser.add_argument("--schema", help="where the tables are; by default amocrm, which a sync writes to")
    parser.add_argument("--plans", type=Path, help=f"a CSV file with the columns {','.join(PLANS)}")
    parser.add_argument("--time-zone", help="as Europe/Moscow; each account's own by default")
    parser.add_argument("--now", help=argparse.SUPPRESS)


def projects_of(given: argparse.Namespace) -> list[str]:
    return [name for part in given.project.split(",") if (name := part.strip())]


def build_as_asked(given: argparse.Namespace) -> str:
    """Builds the models of the options; returns a sentence about what is there now."""
    projects = projects_of(given)
    variables = {"time_zone": given.time_zone, "now": given.now, "raw_schema": given.schema}
    count = build(given.db, projects, plans=given.plans, **variables)
    place = without_password(given.db)
    return f"{count} models of the projects {', '.join(projects)} are in {place}, the marts in the schema amocrm_marts."


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="source-amocrm models", description=__doc__)
    add_options(parser)
    try:
        print(build_as_asked(parser.parse_args(arguments)))
    except (ValueError, KeyboardInterrupt) as error:
        return ended(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
