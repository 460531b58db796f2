"""`source-amocrm models`: the dbt models built on the tables that a sync wrote."""

from __future__ import annotations

import argparse
import gc
import hashlib
import io
import json
import multiprocessing.util
import os
import re
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from amocrm_warehouse.database import (
    DATABASE_ERRORS,
    MEMORY,
    MOST_MEMORY,
    check_writable,
    reading,
    tables,
)
from amocrm_warehouse.database_address import add_database, existing, listed, server_of, without_password
from amocrm_warehouse.database_errors import MORE_MEMORY, OUT_OF_MEMORY, why
from amocrm_warehouse.dbt_package import PACKAGE, macros
from amocrm_warehouse.interrupt import end_by_ctrl_c, exit_code, stopped_means
from amocrm_warehouse.known_names import named
from amocrm_warehouse.live_line import SILENT, LiveLine, live_line
from amocrm_warehouse.plans_and_costs import PLANS, check_currencies, read_plans, strangers_of_plans, write_plans
from amocrm_warehouse.projects import Projects, currencies_in, people_in, projects_of, rows_of_tables
from amocrm_warehouse.report.page_queries import cautions
from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.table_names import SCHEMA
from amocrm_warehouse.this_machine import own_folder
from source_amocrm import atomic_file
from source_amocrm.arguments import ArgumentParser

PLANS_SEED = "amocrm__plans"


@dataclass(frozen=True)
class Built:
    """The result of a build."""

    count: int
    """Number of models that were built."""
    unbuilt: dict[str, str]
    """Models that failed, or whose test failed, or that are made of such models: the reason by model."""
    failure: str = ""
    """One sentence about the models that failed."""
    notes: tuple[str, ...] = ()
    """Sentences about plans of accounts and users that are not there."""


def build(
    database: str,
    projects: list[str],
    *,
    plans: list[list[str]] | None = None,
    line: LiveLine = SILENT,
    **variables: Any,
) -> Built:
    """Builds and tests every model. Raises ValueError with a sentence if nothing could be built.

    `plans`: rows of `read_plans`; None keeps the plans of the previous build. `line`: shows how many models are
    built. `variables`: dbt's vars, if not None.
    """
    if not projects:
        raise ValueError("No project is named: give the ids in the tables' prefixes, as in --project 1001.")
    chosen = {name: value for name, value in variables.items() if value is not None}
    connection = environment(database)
    check_writable(database, "amocrm_staging", "amocrm_marts")
    line.begin("models", sum(1 for _ in (PACKAGE / "models").rglob("*.sql")))
    # dbt takes seconds to import, so mistakes are looked for before
    from dbt.cli.main import dbtRunner

    with TemporaryDirectory(prefix="amocrm-models-") as folder:
        os.environ.update(connection, AMOCRM_TARGET=folder, DBT_SEND_ANONYMOUS_USAGE_STATS="false")
        excluded: list[str] = []
        seed = Path(folder) / f"{PLANS_SEED}.csv"
        if plans is not None:
            write_plans(plans, seed)
        elif "amocrm_staging.plans" in tables(database):
            excluded = ["--exclude", "resource_type:seed"]
        quiet = ["--log-level", "none", "--log-level-file", "none", "--log-path", folder, "--no-write-json"]
        project = ["--no-version-check", "--project-dir", str(PACKAGE), "--profiles-dir", str(PACKAGE)]
        project += ["--vars", json.dumps({"projects": projects, **chosen})]
        output = io.StringIO()
        # dbt keeps what it imports and parses to the end: searching it for garbage takes a tenth of a build
        gc.disable()
        try:
            with redirect_stdout(output), redirect_stderr(output):
                manifest = _parsed([*quiet, "parse", *project], connection["AMOCRM_TARGET_TYPE"], chosen)
                name = _database_of(connection)
                for node in manifest.nodes.values() if manifest else ():
                    node.database = name
                    if node.name == PLANS_SEED and plans is not None:
                        node.original_file_path = str(seed)
                runner = dbtRunner(manifest, callbacks=[partial(_count, line)])
                result = runner.invoke([*quiet, "build", *excluded, *project])
        finally:
            gc.enable()
            if connection["AMOCRM_TARGET_TYPE"] == "duckdb":
                _close()
    results = getattr(result.result, "results", None) or []
    count = sum(1 for one in results if one.node.resource_type == "model" and one.status == "success")
    if result.success:
        return Built(count, {})
    sentence = reason(result, output.getvalue())
    if not {one.node.alias for one in results if one.status == "success"} >= NEEDED:
        raise ValueError(sentence)
    return Built(count, unbuilt(results), sentence)


def _close() -> None:
    """Closes the DuckDB file, which dbt keeps open, and so locked, to the end of the process, its log beside it."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    if DuckDBConnectionManager._ENV:
        DuckDBConnectionManager._ENV.close()
    DuckDBConnectionManager.close_all_connections()


def remove_locks() -> None:
    """Removes dbt's locks from the system, for a process that does not end as Python does: it would leave a warning."""
    ending: Any = multiprocessing.util
    ending._run_finalizers(0)


def _parsed(command: list[str], kind: str, variables: Mapping[str, Any]) -> Any:
    """Returns dbt's manifest of the package, or None if it cannot be parsed, which a build then says.

    Parsing takes a third of a small build, and dbt would parse again for each project and each DuckDB file. One
    manifest serves them all, but for the `database` of its nodes, for its sources, which are lineage only, and for
    whether `by` and `fields` name a field, which decides what some models refer to.
    """
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    versions = [version(package) for package in ("dbt-core", f"dbt-{kind}")]
    named = [bool(variables.get(name)) for name in ("by", "fields")]
    digest = hashlib.sha256(f"{PACKAGE} {kind} {versions} {named}".encode())
    for path in sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".sql", ".yml", ".csv")):
        digest.update(f"\0{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes())
    file = own_folder("dbt") / f"{digest.hexdigest()}.msgpack"
    if file.exists():
        return Manifest.from_msgpack(file.read_bytes())
    manifest = dbtRunner().invoke([*command, "--no-partial-parse"]).result
    if manifest:
        with suppress(OSError):
            atomic_file.write(file, manifest.to_msgpack())
    return manifest


def _database_of(connection: Mapping[str, str]) -> str:
    """Returns the name that dbt gives to the database."""
    if connection["AMOCRM_TARGET_TYPE"] == "postgres":
        return connection["AMOCRM_PG_DATABASE"]
    from dbt.adapters.duckdb.credentials import DuckDBCredentials

    return str(DuckDBCredentials.path_derived_database_name(connection["AMOCRM_DUCKDB"]))


def _count(line: LiveLine, event: Any) -> None:
    """Counts a model in the line when dbt has built it."""
    if event.info.name == "LogModelResult":
        line.count()


NEEDED = {"int_accounts", "freshness"}
"""Models without which a build has failed as a whole."""


def unbuilt(results: list[Any]) -> dict[str, str]:
    """Returns the models that a build has not made, each with the reason, from dbt's results."""
    failed = {
        tested_model(one.node): sentence_of(str(one.message))[:300]
        for one in results
        if one.status in ("error", "fail")
    }
    skipped = [one.node.alias for one in results if one.status == "skipped" and one.node.resource_type == "model"]
    made_of = f"it is made of {', '.join(failed)}"
    return dict.fromkeys(skipped, made_of) | failed


def tested_model(node: Any) -> str:
    """Returns the table of a model; for a test, the table of the model that it tests."""
    tested = getattr(node, "attached_node", None) or getattr(node, "tested_node_unique_id", None)
    return str(tested).rpartition(".")[2].replace("amocrm__", "") if tested else str(node.alias)


def environment(database: str) -> dict[str, str]:
    """Returns the environment variables of dbt/profiles.yml. Raises ValueError for an address that is no database."""
    url = existing(database)
    if isinstance(url, Path):
        return {"AMOCRM_TARGET_TYPE": "duckdb", "AMOCRM_DUCKDB": str(url)}
    server = server_of(url)
    return {
        "AMOCRM_TARGET_TYPE": "postgres",
        "AMOCRM_PG_HOST": server.host,
        "AMOCRM_PG_PORT": str(server.port),
        "AMOCRM_PG_USER": server.user,
        "AMOCRM_PG_DATABASE": server.database,
    } | ({"PGPASSWORD": server.password} if server.password else {})


def reason(result: Any, output: str) -> str:
    """Returns one sentence about why dbt failed."""
    results = getattr(result.result, "results", None) or ()
    failed = [one for one in results if one.status in ("error", "fail")]
    first = next((str(one.message) for one in failed if one.message), str(result.exception or output))
    if "Compilation Error in operation " in first:
        return sentence_of(first)
    lines = [line.strip() for line in first.splitlines() if line.strip()]
    if not failed:
        said = without_password(" ".join(lines[-2:])) or "dbt says no more"
        return f"The database cannot be opened, or the models not be read: {said}"
    names = ", ".join(one.node.alias for one in failed)
    return f"These models or their tests failed: {names}. The first says: {sentence_of(first)[:500]}"


CONTRACT = re.compile(r"\| (\w+) +\| (\w.*?) +\| (\w.*?) +\| data type mismatch +\|")
"""A column of another type than its mart's contract says, in dbt's error: name, type, type in the contract."""


def sentence_of(message: str) -> str:
    """Returns an error of dbt as one line; of an error that our macros raise, only their sentence."""
    if OUT_OF_MEMORY in message:
        return MORE_MEMORY
    broken = CONTRACT.findall(message)
    if broken:
        return "; ".join(f"{name} is {made}, and its contract says {said}" for name, made, said in broken) + "."
    ours = re.search(r"Compilation Error in \w+ [^\n]*\n\s*(.+)", message)
    return without_password(ours[1].strip() if ours else " ".join(message.split()))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say on which tables the models are built, and how."""
    parser.add_argument(
        "--project",
        help="the projects to unite, separated by commas, and no others; by default all that are there",
    )
    add_database(parser)
    parser.add_argument("--schema", help="the schema of the tables; by default amocrm, which a sync writes to")
    parser.add_argument("--plans", type=Path, help=f"a CSV file or workbook with the columns {','.join(PLANS)}")
    parser.add_argument("--time-zone", help="the time zone, as Europe/Moscow; each account's own by default")
    parser.add_argument(
        "--fields", help="the custom fields that become columns, by ids, codes or names, with commas; all by default"
    )
    parser.add_argument("--by", help="a custom field of deals: funnel, sales, lost deals and sources by its values")
    parser.add_argument(
        "--working-hours",
        help='when people work, as "1-5 09:00-18:00, 6 10:00-15:00", Monday is 1; by default 1-5 09:00-18:00',
    )
    parser.add_argument("--days-off", help="days on which nobody works, as 2026-01-01,2026-05-01; by default none")
    parser.add_argument(
        "--memory",
        type=_memory,
        metavar="SIZE",
        help=f"the most memory of DuckDB, as 2GB; {MOST_MEMORY} by default. What does not fit waits on the disk",
    )
    parser.add_argument("--quiet", action="store_true", help="say nothing about how far it is")
    parser.add_argument("--now", help=argparse.SUPPRESS)


def _memory(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d*(\.\d+)? ?[MG]i?B", text, re.IGNORECASE):
        raise argparse.ArgumentTypeError("a size such as 800MB or 2GB")
    return text


def limit_memory(options: argparse.Namespace) -> None:
    """Sets the limit of the option for all connections of this process, dbt's too."""
    if options.memory:
        os.environ[MEMORY] = options.memory


def projects_named(options: argparse.Namespace) -> Projects:
    """Returns the projects of `--project`, else all in the schema. Raises ValueError as `projects_of`."""
    named = None if options.project is None else listed(options.project)
    return projects_of(options.db, options.schema or SCHEMA, named)


def build_from(options: argparse.Namespace, line: LiveLine) -> tuple[Built, str]:
    """Builds the models as the options say. Returns the result, and a sentence about it."""
    # what the files and options tell is reported before the database is opened, and all of it before dbt begins
    plans = read_plans(options.plans) if options.plans else None
    if options.working_hours is not None:
        check_working_hours(options.working_hours)
    if options.days_off is not None:
        check_days_off(options.days_off)
    schema = options.schema or SCHEMA
    united = projects_named(options)
    projects = united.read
    if options.time_zone:
        check_time_zone(options.db, options.time_zone)
    fields = None if options.fields is None else listed(options.fields)
    check_fields(options.db, projects, schema, fields or [], options.by)
    if plans:
        check_currencies(options.plans, currencies_in(options.db, projects, schema))
    variables = {"time_zone": options.time_zone, "now": options.now, "raw_schema": options.schema}
    variables |= {
        "fields": fields,
        "by": options.by,
        "working_hours": options.working_hours,
        "days_off": options.days_off,
    }
    built = build(options.db, projects, plans=plans, line=line, **variables)
    built = replace(built, notes=united.notes + notes_on_plans(options.plans, options.db, projects, schema))
    names, where = ", ".join(projects), without_password(options.db)
    of = f"project{'s' if len(projects) > 1 else ''} {names}"
    return built, f"{built.count} models of the {of} are in {where}, the marts in the schema amocrm_marts."


def print_notes(built: Built) -> None:
    for note in built.notes:
        print(note, file=sys.stderr)


def notes_on_plans(path: Path | None, database: str, projects: list[str], schema: str) -> tuple[str, ...]:
    """Returns a sentence for each account and user that the file plans for, and that is not in the tables."""
    return tuple(strangers_of_plans(path, people_in(database, projects, schema))) if path else ()


def check_working_hours(text: str) -> None:
    """Raises ValueError for working hours that the models would refuse after a third of a build."""
    macros("working_hours.sql", var=lambda _: text).working_hours()


def check_days_off(text: str) -> None:
    """Raises ValueError for days off that the models would refuse after a third of a build."""
    macros("working_hours.sql", var=lambda *_: text).days_off()


LISTED_FIELDS = "SELECT entity_type, custom_field_id, code, trim(name) FROM {custom_fields}"
MET_FIELDS = "SELECT DISTINCT '{0}', custom_field_id, field_code, trim(name) FROM {{{1}}}"
"""Of one kind of cards, whose list of fields was not read, by the values of these fields."""
VALUES = {"leads": "custom_fields_deals"} | {
    kind: f"custom_fields_{kind}" for kind in ("contacts", "companies", "customers")
}
"""The tables of the fields' values, by the kind of cards."""
LEFT_FIELDS = """
    SELECT CASE entity_type WHEN 'deal' THEN 'leads' ELSE '' END, custom_field_id, field_code, trim(name_at_first)
    FROM amocrm_staging.int_own_fields
"""
"""Those of the last build, whose first names stay good."""


def check_fields(database: str, projects: list[str], schema: str, fields: list[str], by: str | None) -> None:
    """Raises ValueError for a field that no account has, which dbt would find after half a minute.

    Where neither fields nor their values were read, dbt decides.
    """
    if not fields and by is None:
        return
    rows: list[tuple[Any, ...]] = []
    for project in projects:
        of_all = rows_of_tables(database, project, schema, LISTED_FIELDS, ("custom_fields",)) or []
        of_cards = [row for row in of_all if row[0] in VALUES]
        for kind in VALUES.keys() - {kind for kind, *_ in of_cards}:
            met = MET_FIELDS.format(kind, VALUES[kind])
            of_cards += rows_of_tables(database, project, schema, met, (VALUES[kind],)) or []
        rows += of_cards
    if rows and "amocrm_staging.int_own_fields" in tables(database):
        with reading(database) as run:
            rows += run(LEFT_FIELDS)[1]
    known = [dict(zip(("kind", "id", "code", "name"), row, strict=True)) for row in rows]
    if not known:
        return
    for field in fields:
        named("field", field, known, ("id", "code", "name"))
    if by is not None:
        named("field of deals", by.strip(), [one for one in known if one["kind"] == "leads"], ("id", "code", "name"))


def check_time_zone(database: str, zone: str) -> None:
    """Raises ValueError for a time zone that the database does not know."""
    try:
        with reading(database) as run:
            known = run("SELECT 1 FROM pg_timezone_names() WHERE name = $zone", zone=zone)[1]
    except DATABASE_ERRORS as error:
        raise ValueError(f"The database cannot be opened: {why(error)}") from None
    if not known:
        raise ValueError(macros("raw.sql").unknown_time_zone(zone))


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="source-amocrm models", description=__doc__)
    add_options(parser)
    options = parser.parse_args(arguments)
    limit_memory(options)
    end_by_ctrl_c()
    stopped_means("Models that were built stay, the others are as before.")
    try:
        with live_line(sys.stderr, shown=not options.quiet) as line:
            built, sentence = build_from(options, line)
            with reading(options.db) as run:
                wrong = tuple(Words("en")(key, **values) for key, values in cautions(run))
    except DATABASE_ERRORS as error:
        return exit_code(ValueError(f"The marts cannot be read: {why(error)}"))
    except (ValueError, KeyboardInterrupt) as error:
        return exit_code(error)
    print(sentence)
    print_notes(replace(built, notes=wrong + built.notes))
    if built.unbuilt:
        print(built.failure, file=sys.stderr)
    return 2 if built.unbuilt else 0


if __name__ == "__main__":
    sys.exit(main())
