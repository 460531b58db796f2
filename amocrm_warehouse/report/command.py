"""`source-amocrm report`: the models built, and one HTML file made of the marts; or a workbook, or a digest."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import timezone
from pathlib import Path

from amocrm_warehouse.address import duckdb_file, is_file
from amocrm_warehouse.database import Failed, reading, tables, united
from amocrm_warehouse.desktop import show
from amocrm_warehouse.interrupt import ended
from amocrm_warehouse.models import SCHEMA, Built, add_options, build, build_as_asked, projects_of
from amocrm_warehouse.plans import COSTS, read_costs, read_plans
from amocrm_warehouse.report import workbook
from amocrm_warehouse.report.answers import Choice, last_months, people_of
from amocrm_warehouse.report.data import EVERYTHING, Asked
from amocrm_warehouse.report.digest import digest
from amocrm_warehouse.report.page import write
from amocrm_warehouse.report.queries import QUERIES, needs
from amocrm_warehouse.report.words import LANGUAGES, Words


def report(
    database: str,
    path: Path | None = None,
    unread: list[str] | None = None,
    built: Built | None = None,
    asked: Asked = EVERYTHING,
) -> Path:
    """Writes the file of the marts that stand. Raises ValueError with a sentence where that cannot be done."""
    path = path or place(database)
    try:
        with reading(database) as run:
            write(path, run, unread or [], built.unbuilt if built else None, asked)
    except Failed as error:
        raise unreadable(error) from None
    return path


def unreadable(error: Exception) -> ValueError:
    return ValueError(f"The marts cannot be read: {' '.join(str(error).split())}")


def place(database: str, told: Path | None = None) -> Path:
    """Where the report is written: unless told beside a DuckDB file, or in the folder one is in.

    Raises ValueError where it cannot be, which is better known before the models are built.
    """
    if told is None and is_file(database):
        file = duckdb_file(database)
        told = file.with_name(f"{file.stem}-report.html")
    path = (told or Path("amocrm-report.html")).resolve()
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ValueError(
            f"The report cannot be written to {path}. Name a file in a folder that is there: --out report.html."
        )
    return path


def failures(database: str, projects: list[str], schema: str | None) -> list[str]:
    """A sentence for each project whose last sync failed."""
    told = []
    there, schema = tables(database), schema or SCHEMA
    for project in projects:
        syncs = f"amocrm_{project.lower()}_syncs"
        if f"{schema}.{syncs}" not in there:
            continue
        with reading(database) as run:
            _, [(catalog,)] = run("SELECT current_database()")
            # with its database, for a DuckDB file of the schema's name is one of that name as well
            table = f'"{catalog}"."{schema}"."{syncs}"'
            _, [last] = run(f"SELECT failures FROM {table} ORDER BY started_at DESC LIMIT 1")
            _, [(good,)] = run(f"SELECT max(ended_at) FROM {table} WHERE ended_well")
        sentences = json.loads(last[0]) if isinstance(last[0], str) else last[0]
        if sentences:
            when = good.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC") if good else "never"
            told.append(f"{project}, last read whole {when}: {' '.join(sentences)}")
    return told


def after_sync(database: str, project: str, plans: Path | None = None, schema: str = SCHEMA) -> Path:
    """The models and the report of what a sync has read, together with the projects that the marts united before."""
    there = {name.partition(".")[2] for name in tables(database)}
    others = [known.lower() for known in united(database)]
    kept = {known for known in others if {f"amocrm_{known}_deals", f"amocrm_{known}_account"} & there}
    projects = sorted(kept | {project.lower()})
    built = build(database, projects, plans=read_plans(plans) if plans else None, raw_schema=schema)
    if built.unbuilt:
        print(built.failure, file=sys.stderr)
    return report(database, unread=failures(database, projects, schema), built=built)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="source-amocrm report", description=__doc__)
    add_options(parser)
    parser.add_argument("--out", type=Path, help="the file to write; by default beside the DuckDB file")
    parser.add_argument(
        "--xlsx", type=Path, help="the tables of the last twelve months as an Excel workbook, into this file"
    )
    parser.add_argument("--costs", type=Path, help=f"a CSV file with the columns {','.join(COSTS)}, for the page")
    parser.add_argument("--digest", action="store_true", help="twelve lines about each account, printed")
    parser.add_argument("--language", choices=LANGUAGES, default=spoken(), help="of the workbook and the digest")
    parser.add_argument(
        "--group", action="append", default=[], help="only the rows of a team, by its name; again for more"
    )
    parser.add_argument(
        "--manager", action="append", default=[], help="only the rows of a user, by name or id; again for more"
    )
    parser.add_argument(
        "--built",
        action="store_true",
        help="of the marts as they stand, also those of your own dbt project; builds none",
    )
    given = parser.parse_args(arguments)
    paged = given.out is not None or not (given.xlsx or given.digest)
    try:
        costs = read_costs(given.costs) if given.costs else None
        path = place(given.db, given.out) if paged else None
        workbook_path = place(given.db, given.xlsx) if given.xlsx else None
        built = as_it_stands(given.db) if given.built else build_as_asked(given)[0]
        projects = united(given.db) if given.built else projects_of(given)
        with reading(given.db) as run:
            only = people_of(run, given.group, given.manager) if given.group or given.manager else None
            choice = Choice(*last_months(run), users=only)
            words = Words(given.language)
            if workbook_path:
                workbook.write(workbook_path, run, choice, words, built.unbuilt)
            if given.digest:
                print(digest(run, choice, words))
        if path:
            report(given.db, path, failures(given.db, projects, given.schema), built, Asked(only, costs))
    except Failed as error:
        return ended(unreadable(error))
    except (ValueError, KeyboardInterrupt) as error:
        return ended(error)
    if built.failure:
        print(built.failure, file=sys.stderr)
    if path:
        show(path)
    return 2 if built.failure else 0


def as_it_stands(database: str) -> Built:
    """The models that are in the database. Those that the page needs and a project has left out are no failure."""
    there = {name.partition(".")[2] for name in tables(database)}
    wanted = set().union(*map(needs, QUERIES.values()))
    return Built(len(wanted & there), dict.fromkeys(wanted - there, "it is not in the database"))


def spoken() -> str:
    """The language of this machine's user, as far as the report has it."""
    return "ru" if os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("ru") else "en"


if __name__ == "__main__":
    sys.exit(main())
