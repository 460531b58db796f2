"""`source-amocrm models`: the dbt models built on the tables that a sync wrote."""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import re
import sys
from collections.abc import Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

from amocrm_warehouse.address import (
    add_database,
    duckdb_file,
    is_file,
    listed,
    location,
    postgres_url,
    without_password,
)
from amocrm_warehouse.database import Failed, tables, tables_of
from amocrm_warehouse.interrupt import ended
from amocrm_warehouse.place import own_folder
from amocrm_warehouse.plans import PLANS, read_plans, write_plans

PACKAGE = Path(__file__).resolve().parent / "dbt"
SCHEMA = "amocrm"
"""Where a sync writes the tables."""


@dataclass(frozen=True)
class Built:
    """What a build has made."""

    count: int
    """Models that are there."""
    unbuilt: dict[str, str]
    """Models that failed, or one of whose tests did, or that are made of such a one: each with the reason."""
    failure: str = ""
    """One sentence about them."""


def build(database: str, projects: list[str], *, plans: list[list[str]] | None = None, **variables: Any) -> Built:
    """Builds and tests every model. Raises ValueError with a sentence where nothing could be built.

    `plans`: as `read_plans` reads them; without them those that were given before stay.
    """
    if not projects:
        raise ValueError("No project is named: give the ids in the tables' prefixes, as in --project 1001.")
    given = {name: value for name, value in variables.items() if value is not None}
    kept: list[str] = []
    where = environment(database)
    # dbt takes seconds to import: a mistake above is told at once
    from dbt.cli.main import dbtRunner

    with TemporaryDirectory(prefix="amocrm-models-") as folder:
        os.environ.update(where, DBT_SEND_ANONYMOUS_USAGE_STATS="false")
        # what dbt has parsed for one kind of database is of no use for the other
        os.environ.setdefault("AMOCRM_TARGET", str(own_folder("dbt", os.environ["AMOCRM_TARGET_TYPE"])))
        if plans is not None:
            write_plans(plans, Path(folder) / "amocrm__plans.csv")
            os.environ["AMOCRM_SEEDS"] = folder
        elif "amocrm_staging.plans" in tables(database):
            kept = ["--exclude", "resource_type:seed"]
        command = ["--quiet", "--no-use-colors", "--no-write-json", "--log-level-file", "none"]
        command += ["--log-path", folder, "build", "--no-version-check"]
        places = ["--project-dir", str(PACKAGE), "--profiles-dir", str(PACKAGE)]
        said = io.StringIO()
        # what dbt imports and parses is kept to the end: to look through it for garbage is a tenth of a build
        gc.disable()
        try:
            with redirect_stdout(said), redirect_stderr(said):
                result = dbtRunner().invoke(
                    [*command, *kept, *places, "--vars", json.dumps({"projects": projects, **given})]
                )
        finally:
            gc.enable()
    results = getattr(result.result, "results", None) or []
    count = sum(1 for one in results if one.node.resource_type == "model" and one.status == "success")
    if result.success:
        return Built(count, {})
    sentence = reason(result, said.getvalue())
    if not {one.node.alias for one in results if one.status == "success"} >= NEEDED:
        raise ValueError(sentence)
    return Built(count, unbuilt(results), sentence)


NEEDED = {"int_accounts", "freshness"}
"""Models without which nothing can be told of the others."""


def unbuilt(results: list[Any]) -> dict[str, str]:
    """The models that do not stand after a build, by dbt's results."""
    failed = {
        tested_model(one.node): sentence_of(str(one.message))[:300]
        for one in results
        if one.status in ("error", "fail")
    }
    skipped = [one.node.alias for one in results if one.status == "skipped" and one.node.resource_type == "model"]
    made_of = f"it is made of {', '.join(failed)}"
    return dict.fromkeys(skipped, made_of) | failed


def tested_model(node: Any) -> str:
    """The table of a model. For a test: the table of the model that it tests."""
    tested = getattr(node, "attached_node", None) or getattr(node, "tested_node_unique_id", None)
    return str(tested).rpartition(".")[2].replace("amocrm__", "") if tested else str(node.alias)


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
    results = getattr(result.result, "results", None) or ()
    failed = [one for one in results if one.status in ("error", "fail")]
    told = [str(one.message) for one in failed if one.message] or [str(result.exception or said)]
    if "Compilation Error in operation " in told[0]:
        return sentence_of(told[0])
    lines = [line.strip() for line in told[0].splitlines() if line.strip()]
    if not failed:
        return f"The database cannot be opened, or the models not be read: {' '.join(lines[-2:]) or 'dbt says no more'}"
    names = ", ".join(one.node.alias for one in failed)
    return f"These models or their tests failed: {names}. The first says: {sentence_of(told[0])[:500]}"


def sentence_of(message: str) -> str:
    """An error of dbt in one line; of an error that our macros raise their own sentence alone."""
    ours = re.search(r"Compilation Error in \w+ [^\n]*\n\s*(.+)", message)
    return ours[1].strip() if ours else " ".join(message.split())


def add_options(parser: argparse.ArgumentParser) -> None:
    """What says which tables the models are built on, and how."""
    parser.add_argument("--project", help="the projects to unite, separated by commas; by default all that are there")
    add_database(parser)
    parser.add_argument("--schema", help="where the tables are; by default amocrm, which a sync writes to")
    parser.add_argument("--plans", type=Path, help=f"a CSV file with the columns {','.join(PLANS)}")
    parser.add_argument("--time-zone", help="as Europe/Moscow; each account's own by default")
    parser.add_argument(
        "--fields", help="the custom fields that become columns, by ids, codes or names, with commas; all by default"
    )
    parser.add_argument("--by", help="a custom field of deals: funnel, sales, lost deals and sources by its values")
    parser.add_argument(
        "--working-hours",
        help='when people work, as "1-5 09:00-18:00, 6 10:00-15:00", Monday is 1; by default 1-5 09:00-18:00',
    )
    parser.add_argument("--now", help=argparse.SUPPRESS)


def projects_of(given: argparse.Namespace) -> list[str]:
    """The projects that were named, else all of the schema. Raises ValueError where there are none."""
    if given.project is not None:
        return listed(given.project)
    environment(given.db)
    schema = given.schema or SCHEMA
    try:
        found = projects_in(tables_of(given.db), schema)
    except Failed as error:
        said = " ".join(str(error).split())
        raise ValueError(f"The database cannot be opened, or the models not be read: {said}") from None
    if not found:
        raise ValueError(
            f"There are no tables amocrm_<project>_… in the schema {schema} of this database. Read an account into it "
            "first: source-amocrm sync."
        )
    return found


def projects_in(names: Iterable[str], schema: str) -> list[str]:
    """The projects of the tables `amocrm_<project>_<stream>` in a schema. `names`: of tables, with their schemas.

    amocrm_my_deal_contacts are the contacts of my_deal if my_deal has another table, else the deal_contacts of my.
    """
    schemas = resources.files("source_amocrm") / "schemas"  # to import the streams takes a second
    longest_first = sorted((Path(file.name).stem for file in schemas.iterdir()), key=len, reverse=True)
    readings = []
    for name in names:
        place, _, table = name.partition(".")
        streams = (one for one in longest_first if table.endswith(f"_{one}"))
        named = [found[1] for stream in streams if (found := re.fullmatch(f"amocrm_(.+)_{stream}", table))]
        if place == schema and named:
            readings.append(named)
    certain = {project for project, *others in readings if not others}
    return sorted(certain | {named[0] for named in readings if certain.isdisjoint(named)})


def build_as_asked(given: argparse.Namespace) -> tuple[Built, str]:
    """Builds the models of the options; returns what is there now, and a sentence about it."""
    # a mistake in the plans is reported before the database is opened
    plans = read_plans(given.plans) if given.plans else None
    projects = projects_of(given)
    fields = None if given.fields is None else listed(given.fields)
    variables = {"time_zone": given.time_zone, "now": given.now, "raw_schema": given.schema}
    variables |= {"fields": fields, "by": given.by, "working_hours": given.working_hours}
    built = build(given.db, projects, plans=plans, **variables)
    named, place = ", ".join(projects), without_password(given.db)
    return built, f"{built.count} models of the projects {named} are in {place}, the marts in the schema amocrm_marts."


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="source-amocrm models", description=__doc__)
    add_options(parser)
    try:
        built, sentence = build_as_asked(parser.parse_args(arguments))
    except (ValueError, KeyboardInterrupt) as error:
        return ended(error)
    print(sentence)
    if built.unbuilt:
        print(built.failure, file=sys.stderr)
    return 2 if built.unbuilt else 0


if __name__ == "__main__":
    sys.exit(main())
