"""`source-amocrm publish`: the marts and tables that a database holds, copied into another warehouse."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

from amocrm_warehouse.database import DATABASE_ERRORS
from amocrm_warehouse.database_address import DEFAULT, duckdb_file, listed, remembered, without_password
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.hidden_modules import without_heavy_modules
from amocrm_warehouse.interrupt import end_by_ctrl_c, exit_code, stopped_means
from amocrm_warehouse.live_line import SILENT, LiveLine, live_line
from amocrm_warehouse.publish.published_tables import LANGUAGES, MARTS, TABLES, opened_source
from amocrm_warehouse.publish.table_lock import one_writer
from amocrm_warehouse.publish.warehouse_address import warehouse
from amocrm_warehouse.table_names import SCHEMA, rows_of_tables
from source_amocrm.arguments import ArgumentParser


def publish(
    source: str,
    to: str,
    *,
    projects: Sequence[str] = (),
    only: Sequence[str] = (MARTS,),
    schema: str = SCHEMA,
    dataset: str = SCHEMA,
    language: str = "en",
    line: LiveLine = SILENT,
) -> dict[str, dict[str, int]]:
    """Replaces the rows of projects, one after another. Returns the rows of each table, by project.

    `projects`: all that there are if none is named. `dataset`: the schema of the connector's tables in the source.
    Raises ValueError with a sentence, or one of DATABASE_ERRORS if the source cannot be read.
    """
    if not re.fullmatch(r"(?=.{1,20}$)[a-z][a-z0-9]*(_[a-z0-9]+)*", schema):
        raise ValueError(
            f"The schema “{schema}” goes into names of schemas: small letters, digits and single _ between them, 20 at "
            "most."
        )
    target = warehouse(to)
    with opened_source(source, dataset, line.count) as opened:
        there = opened.projects(only)
        if missing := [project for project in projects if project not in there]:
            if unbuilt := [project for project in missing if project in opened.read]:
                raise ValueError(
                    f"The marts do not have the project {', '.join(unbuilt)} yet. Build them with it: source-amocrm "
                    "models."
                )
            raise ValueError(
                f"There is no project {', '.join(missing)} in this database. There are: {', '.join(there)}."
            )
        if odd := [project for project in projects or there if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", project)]:
            raise ValueError(
                f"The project {odd[0]} goes into names of schemas and folders: letters, digits, _ and - only, 64 at "
                "most."
            )
        published = {}
        for project in projects or there:
            tables = opened.tables(project, only, schema, language)
            with one_writer(to, schema, project) as folder:
                line.begin(f"publishing {project},", len(tables))
                published[project] = target.replace(project, tables, opened, folder)
        return published


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="source-amocrm publish", description=__doc__)
    parser.add_argument(
        "--from",
        dest="source",
        type=remembered,
        metavar="URL",
        default=os.environ.get("DB"),
        help=f"the database in which the models are built; by default DB in the environment, then {DEFAULT}",
    )
    parser.add_argument(
        "--to",
        type=remembered,
        metavar="URL",
        default=os.environ.get("PUBLISH_TO"),
        help="the warehouse; by default PUBLISH_TO in the environment",
    )
    parser.add_argument("--project", default="", help="the projects, separated by commas; all by default")
    parser.add_argument(
        "--only",
        default=MARTS,
        help=f"{MARTS} (default), {TABLES} for the tables of the account, names of marts; separated by commas",
    )
    parser.add_argument(
        "--schema", default=SCHEMA, help=f"marts go into SCHEMA_marts, tables into SCHEMA; {SCHEMA} by default"
    )
    parser.add_argument(
        "--dataset", help=f"with {TABLES} in --only: the schema of the tables in --from; {SCHEMA} by default"
    )
    parser.add_argument("--language", choices=LANGUAGES, default=LANGUAGES[0], help="of the columns' descriptions")
    parser.add_argument("--quiet", action="store_true", help="say nothing about how far it is")
    options = parser.parse_args(arguments)
    end_by_ctrl_c()
    stopped_means("The account under way is as before in the warehouse.")
    try:
        if not options.to:
            raise ValueError(
                "Name the warehouse: --to postgresql://user@host:port/name, or PUBLISH_TO in the environment."
            )
        only = listed(options.only) or [MARTS]
        if options.dataset and TABLES not in only:
            raise ValueError(
                f"--dataset names the schema of the account's tables, and --only {','.join(only)} takes none of them. "
                f"Leave out --dataset, or add {TABLES} to --only."
            )
        if not options.source and not (default := duckdb_file(DEFAULT)).exists():
            raise ValueError(
                f"There is no DuckDB file {default}, which publish reads by default. Name the database in which the "
                "models are built: --from duckdb:///file.duckdb, or DB in the environment."
            )
        with without_heavy_modules(), live_line(sys.stderr, shown=not options.quiet) as line:
            published = publish(
                options.source or DEFAULT,
                options.to,
                projects=listed(options.project),
                only=only,
                schema=options.schema,
                dataset=options.dataset or SCHEMA,
                language=options.language,
                line=line,
            )
    except DATABASE_ERRORS as error:
        print(f"The database cannot be read: {why(error)}", file=sys.stderr)
        return 2
    except (ValueError, KeyboardInterrupt) as error:
        return exit_code(error)
    for project, counts in published.items():
        print(f"{project}: {rows_of_tables(sum(counts.values()), len(counts))} in {without_password(options.to)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
