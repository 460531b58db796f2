"""`source-amocrm verify`: proves on the user's own account that the tables of a database equal it."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from amocrm_warehouse.database import DATABASE_ERRORS
from amocrm_warehouse.database_address import add_database
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.interrupt import exit_code
from amocrm_warehouse.sync.account_sync import project_of
from amocrm_warehouse.table_names import SCHEMA, table_name
from amocrm_warehouse.verify.findings import Verification
from amocrm_warehouse.verify.held_tables import HeldTables
from source_amocrm.account import Account
from source_amocrm.auth import FileKeeper
from source_amocrm.config_file import ConfigFile
from source_amocrm.errors import AmocrmError
from source_amocrm.source import open_account

REQUESTS = 500
"""Requests besides those for the IDs of cards: at the account's pace, 70 seconds."""


def verify(
    config: Path,
    database: str,
    project: str,
    dataset: str = SCHEMA,
    *,
    requests: int = REQUESTS,
    doing: Callable[[str], None] = lambda _: None,
) -> Verification:
    """Compares the tables of a project with the account of a config. Only reads, on both sides.

    Raises ValueError if it cannot begin, and one of DATABASE_ERRORS if the database cannot be read.
    """
    from amocrm_warehouse.verify.account_comparison import Comparison, Requests  # the CDK takes a second to import

    file, counted = ConfigFile(config), Requests()
    settings = file.settings()

    def opened() -> Account:
        return open_account(settings, hand_over=FileKeeper(file), observe=counted)

    held = HeldTables(database, project, dataset)
    syncs = held.syncs_began()
    if not syncs:
        raise ValueError(
            f"No sync into the tables {held.prefix}… of the schema {dataset} has ended yet, so there is nothing to "
            "verify. Run `source-amocrm sync` with the same --to and --project to its end."
        )
    try:
        tables = Comparison(opened, held, syncs, requests=counted, budget=requests, doing=doing).look()
    except AmocrmError as error:
        raise ValueError(str(error)) from None
    synced_at = datetime.fromtimestamp(min(syncs[stream] for stream in tables), timezone.utc)
    return Verification(datetime.now(timezone.utc), synced_at, counted.count, tables)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="source-amocrm verify", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="what `source-amocrm connect` wrote")
    add_database(parser)
    parser.add_argument("--project", help="tables are amocrm_<project>_<stream>; the account's subdomain by default")
    parser.add_argument("--dataset", default=SCHEMA, help=f"the schema of the tables; {SCHEMA} by default")
    parser.add_argument(
        "--requests", type=int, default=REQUESTS, help=f"besides the IDs of cards; {REQUESTS} by default"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers, which name nobody, to this file")
    options = parser.parse_args(arguments)
    logging.getLogger("airbyte").setLevel(logging.ERROR)
    try:
        project = options.project or project_of(options.config)
        result = verify(options.config, options.db, project, options.dataset, requests=options.requests, doing=_live)
        if options.json:
            options.json.write_text(json.dumps(result.as_json(), indent=2) + "\n", encoding="utf-8")
    except DATABASE_ERRORS as error:
        print(f"The database cannot be read: {why(error)}", file=sys.stderr)
        return 2
    except (ValueError, KeyboardInterrupt) as error:
        return exit_code(error)
    _live("")
    print(result.sentence())
    print()
    print("\n".join(result.lines(table_name(project))))
    for line in result.advice():
        print(f"\n{line}")
    return result.exit_code


def _live(doing: str) -> None:
    """Shows on a terminal the list that is looked at, in one line; an empty text removes the line."""
    if sys.stdout.isatty():
        print(f"\r\033[K{doing and f'Looking at {doing} …'}", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
