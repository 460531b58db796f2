"""`source-amocrm verify`: proves on the user's own account that the tables of a database equal it."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from datetime import datetime, timezone
from pathlib import Path

from amocrm_warehouse.database import DATABASE_ERRORS
from amocrm_warehouse.database_address import add_database, without_password
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.hidden_modules import without_heavy_modules
from amocrm_warehouse.interrupt import exit_code
from amocrm_warehouse.live_line import Step, Tell, live_line, untold
from amocrm_warehouse.sync.account_sync import project_of
from amocrm_warehouse.table_names import SCHEMA, table_name
from amocrm_warehouse.verify.findings import Finding, Verification
from amocrm_warehouse.verify.held_tables import HeldTables
from amocrm_warehouse.verify.kept_results import keep
from source_amocrm.account import Account
from source_amocrm.auth import FileKeeper
from source_amocrm.config_file import ConfigFile
from source_amocrm.errors import AmocrmError
from source_amocrm.source import open_account

GONE = "the table is not there, though a sync has filled it. The next sync makes it anew."
REQUESTS = 500
"""Requests besides the requests for the IDs of cards: at the account's pace, 70 seconds."""


def verify(
    config: Path,
    database: str,
    project: str,
    dataset: str = SCHEMA,
    *,
    requests: int = REQUESTS,
    kept: bool = True,
    tell: Tell = untold,
) -> Verification:
    """Compares the tables of a project with the account of a config, and keeps the result in a table of its own.

    Otherwise only reads, on both sides. Without `kept`, the result is not kept. `tell` gets each step.
    Raises ValueError if it cannot begin, and one of DATABASE_ERRORS if the database cannot be read.
    """
    from amocrm_warehouse.verify.account_comparison import Comparison, Requests  # the CDK takes a second to import

    file, counted = ConfigFile(config), Requests()
    settings = file.settings()

    def opened() -> Account:
        return open_account(settings, hand_over=FileKeeper(file), observe=counted)

    with live_line(sys.stderr, tell) as line:  # stdout is the result's alone
        line.step = lambda: Step("opening the database")
        held = HeldTables(database, project, dataset)
        syncs = held.syncs_began()
        if not syncs:
            raise ValueError(
                f"No sync into the tables {held.prefix}… of the schema {dataset} has ended yet, so there is nothing to "
                "verify. Run `source-amocrm sync` with the same --to and --project to its end."
            )
        line.step = lambda: Step("asking amoCRM")
        try:
            with held.opened():
                comparison = Comparison(opened, held, syncs, requests=counted, budget=requests)
                line.step = comparison.step
                tables = comparison.look()
        except AmocrmError as error:
            raise ValueError(str(error)) from None
        synced_at = datetime.fromtimestamp(min(syncs[stream] for stream in tables), timezone.utc)
        tables |= {stream: Finding(failure=GONE) for stream in held.gone()}
        found = Verification(datetime.now(timezone.utc), synced_at, counted.count, tables)
        if kept:
            line.step = lambda: Step("keeping the result")
            found.not_kept = _keep(found, database, project, dataset)
    return found


def _keep(found: Verification, database: str, project: str, dataset: str) -> str | None:
    """Returns a sentence if the result cannot be kept: who may only read can verify."""
    try:
        keep(found, database, project, dataset)
    except ValueError as error:
        return f"The result was not kept: {without_password(str(error))}"
    except DATABASE_ERRORS as error:
        return f"The result was not kept: {why(error)}"
    return None


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
        for notice in ConfigFile(options.config).make_private():
            print(notice, file=sys.stderr)
        with without_heavy_modules():
            result = verify(options.config, options.db, project, options.dataset, requests=options.requests)
        if options.json:
            options.json.write_text(json.dumps(result.as_json(), indent=2) + "\n", encoding="utf-8")
    except DATABASE_ERRORS as error:
        print(f"The database cannot be read: {why(error)}", file=sys.stderr)
        return 2
    except (ValueError, KeyboardInterrupt) as error:
        return exit_code(error)
    print(result.sentence())
    print()
    print("\n".join(result.lines(table_name(project))))
    for line in result.advice():
        print(f"\n{line}")
    if result.not_kept:
        print(f"\n{result.not_kept}")
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main())
