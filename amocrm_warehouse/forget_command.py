"""`source-amocrm forget`: every value of a person is emptied in the tables, in the marts and in other warehouses."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from amocrm_warehouse.database import DATABASE_ERRORS, projects_in_marts, quoted, reading
from amocrm_warehouse.database_address import listed, remembered, without_password
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.interrupt import end_by_ctrl_c, exit_code, stopped_means
from amocrm_warehouse.live_line import SILENT, LiveLine, live_line
from amocrm_warehouse.models_command import add_options, build_from, limit_memory, print_notes
from amocrm_warehouse.table_names import SCHEMA, rows_of_tables, table_name
from source_amocrm.arguments import ArgumentParser

TEXTS = """
    SELECT table_schema, table_name, column_name FROM information_schema.columns
    WHERE (table_schema = $dataset AND table_name LIKE $prefix OR table_schema IN ('amocrm_marts', 'amocrm_staging'))
        AND lower(data_type) IN ('varchar', 'text', 'character varying', 'json', 'jsonb')
    ORDER BY 1, 2, 3
"""


@dataclass
class Forgetting:
    """What `forget` did. `same_people`: other contacts with the same phone, address or name. `unknown`: contacts that
    the tables do not have.

    `left`: columns, as schema.table.column, that still hold one of these, with the number of rows.
    """

    erased: list[dict[str, Any]]
    same_people: list[int]
    unknown: list[int]
    marts: str = ""
    published: list[str] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)


def forget(options: argparse.Namespace, contacts: list[int], line: LiveLine = SILENT) -> Forgetting:
    """Forgets contacts of a project, builds the marts anew and publishes them. Raises ValueError with a sentence."""
    from amocrm_warehouse.publish.publish_command import publish
    from amocrm_warehouse.sync.destination import destination
    from amocrm_warehouse.sync.loader import Loader

    project, dataset = options.project, options.schema or SCHEMA
    loader = Loader(destination(options.db), project.lower(), dataset)
    try:
        loader.open()
        if not loader.account:
            raise ValueError(
                f"No sync has written tables {loader.prefix}… into the schema {dataset} of this database, so there is "
                "nothing to forget. Correct --to and --project; what Airbyte wrote is deleted by its own refresh."
            )
        found = loader.forget(contacts)
    finally:
        loader.close()
    erased = [{"table": loader.prefix + one.table, "rows": one.rows, "columns": one.columns} for one in found.erased]
    done = Forgetting(erased, found.same_people, found.unknown)
    if united := projects_in_marts(options.db):
        done.marts = _built(options, united, line)
    for warehouse in options.published:
        counts = publish(
            options.db, warehouse, projects=[project.lower()], only=listed(options.only), dataset=dataset, line=line
        )
        rows, tables = sum(counts[project.lower()].values()), len(counts[project.lower()])
        done.published.append(f"{rows_of_tables(rows, tables)} replaced in {without_password(warehouse)}.")
    if found.pattern:
        done.left = _left(options.db, project, dataset, found.pattern)
    return done


def _built(options: argparse.Namespace, projects: list[str], line: LiveLine) -> str:
    """Builds the models of all accounts that the marts unite, prints notes on plans, and returns its sentence."""
    of_all = argparse.Namespace(**{**vars(options), "project": ",".join(projects)})
    try:
        built, sentence = build_from(of_all, line)
        failure = built.failure
    except ValueError as error:
        failure = str(error)
    if failure:
        raise ValueError(
            f"{failure}\nThe tables are done, and the marts still hold the values. Mend what the lines above say, and "
            "run source-amocrm forget again."
        )
    print_notes(built)
    return sentence


def _left(database: str, project: str, dataset: str, pattern: str) -> dict[str, int]:
    """Returns the columns of the tables and marts that hold a match of the pattern, with the number of rows."""
    from amocrm_warehouse.sync.destination import destination

    matches = destination(database).matches
    left = dict[str, int]()
    with reading(database) as run:
        columns = run(TEXTS, dataset=dataset, prefix=table_name(project) + "%")[1]
        tables: dict[tuple[str, str], list[str]] = {}
        for schema, table, column in columns:
            tables.setdefault((schema, table), []).append(column)
        for (schema, table), names in tables.items():
            counts = ", ".join(
                f"count(CASE WHEN {matches(f'CAST({quoted(name)} AS VARCHAR)', '$pattern')} THEN 1 END)"
                for name in names
            )
            # the schema is quoted, so that it is not taken for a model's
            [found] = run(f"SELECT {counts} FROM {quoted(schema)}.{quoted(table)}", pattern=pattern)[1]
            left |= {f"{schema}.{table}.{name}": count for name, count in zip(names, found, strict=True) if count}
    return left


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="source-amocrm forget", description=__doc__, conflict_handler="resolve")
    add_options(parser)
    parser.add_argument("--project", required=True, help="the account, as its tables name it")
    parser.add_argument("--contact", required=True, metavar="IDS", help="ids of contacts, separated by commas")
    parser.add_argument(
        "--published",
        type=remembered,
        action="append",
        default=[],
        metavar="URL",
        help="a warehouse of `source-amocrm publish`, whose rows are replaced, too; may be repeated",
    )
    parser.add_argument("--only", default="marts", help="what you publish there, as for publish; marts by default")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    end_by_ctrl_c()
    limit_memory(options)
    stopped_means("What the tables have forgotten stays forgotten; run it again for the rest.")
    try:
        contacts = _ids(options.contact)
        with live_line(sys.stderr, shown=not options.quiet) as line:
            done = forget(options, contacts, line)
    except DATABASE_ERRORS as error:
        return exit_code(ValueError(f"The database cannot be used: {why(error)}"))
    except (ValueError, KeyboardInterrupt) as error:
        return exit_code(error)
    if options.json:
        print(json.dumps(asdict(done), ensure_ascii=False))
    else:
        for text in _lines(done):
            print(text)
    return 1 if done.unknown else 0


def _ids(text: str) -> list[int]:
    """Returns the ids of contacts. Raises ValueError for anything else."""
    parts = listed(text)
    if not parts or not all(one.isdecimal() and one.isascii() for one in parts):
        raise ValueError(
            f"--contact {text} is no id. The id of a contact stands at the end of its card's address in amoCRM: "
            "…/contacts/detail/123 is --contact 123."
        )
    return [int(one) for one in parts]


def _lines(done: Forgetting) -> list[str]:
    lines = [f"{one['table']}: {one['rows']:,} rows, {', '.join(one['columns'])}" for one in done.erased]
    if lines:
        lines.append("Emptied, and no later sync fills it again.")
    elif not done.unknown:
        lines.append("Nothing of this person was left.")
    lines += [
        f"The tables have no contact {one}. Check the id: it stands at the end of the card's address in amoCRM, "
        "…/contacts/detail/123. If it is right, no sync has read the contact yet, and none will fill it."
        for one in done.unknown
    ]
    if done.marts:
        lines.append(done.marts)
    lines += done.published
    if done.same_people:
        ids = ",".join(map(str, done.same_people))
        lines.append(f"Other contacts have the same phone, address or name. Forget them, too: --contact {ids}")
    lines += [f"Left in {column}: {rows:,} rows" for column, rows in done.left.items()]
    return lines


if __name__ == "__main__":
    sys.exit(main())
