"""`source-amocrm why`: why a card is missing in the database, or counts as it does, and the command that mends it."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

from amocrm_warehouse.assistant.why import KINDS, Facts, diagnosis, read_facts
from amocrm_warehouse.database import DATABASE_ERRORS, reading
from amocrm_warehouse.database_address import add_database, without_password
from amocrm_warehouse.database_errors import why as why_not
from amocrm_warehouse.interrupt import exit_code
from amocrm_warehouse.sync.account_sync import project_of
from amocrm_warehouse.table_names import SCHEMA
from source_amocrm.arguments import ArgumentParser


def why(database: str, project: str, kind: str, number: int, *, config: Path | None = None,
        dataset: str = SCHEMA) -> dict[str, Any]:  # fmt: skip
    """Returns the cause, the sentence and the command that mends it. Raises ValueError and DATABASE_ERRORS.

    `config`: of the account, which is then asked about the card by at most five requests.
    """
    with reading(database, read_only=True) as run:
        facts = read_facts(run, project, kind, number, dataset)
    if config:
        ask_account(facts, config)
    return diagnosis(facts, without_password(database))


def ask_account(facts: Facts, config: Path) -> None:
    """Adds what the account says of the card now."""
    from source_amocrm.auth import FileKeeper
    from source_amocrm.config_file import ConfigFile
    from source_amocrm.errors import AmocrmError, NotFound
    from source_amocrm.http.backoff import RetryPolicy
    from source_amocrm.source import open_account

    file = ConfigFile(config)
    facts.settings = file.settings()
    try:
        account = open_account(facts.settings, hand_over=FileKeeper(file), policy=RetryPolicy(attempts=2))
        facts.asked = True
        facts.account = account.api.get(f"/api/v4/{KINDS[facts.kind][3]}/{facts.id}").body or {}
    except NotFound:
        facts.account = {}
    except AmocrmError as error:
        facts.refusal = str(error)


def sentences(found: dict[str, Any], kind: str, number: int) -> list[str]:
    """Returns what a person reads."""
    lines = [f"{kind.capitalize()} {number}: {found['why']}"]
    if found["rules"]:
        lines += ["", *(f"{'counts' if one['counts'] else 'does not count'} in {one['mart']}: {one['rule']}"
                        for one in found["rules"])]  # fmt: skip
    lines += ["", f"{'To be sure' if found['cause'] == 'counted' else 'This mends it'}: {found['mend']}"]
    return lines


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="source-amocrm why", description=__doc__)
    parser.add_argument("kind", choices=KINDS, help="what the card is")
    parser.add_argument("id", type=int, help="its id, as its address in amoCRM ends")
    add_database(parser)
    parser.add_argument("--project", help="tables are amocrm_<project>_<stream>; the account's subdomain by default")
    parser.add_argument("--dataset", default=SCHEMA, help=f"the schema of the tables; {SCHEMA} by default")
    parser.add_argument("--config", type=Path, help="also ask the account of this config, by five requests at most")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    options = parser.parse_args(arguments)
    logging.getLogger("airbyte").setLevel(logging.ERROR)
    try:
        if not options.project and not options.config:
            raise ValueError("Name the project: --project, or the config of its account: --config.")
        project = options.project or project_of(options.config)
        found = why(options.db, project, options.kind, options.id, config=options.config, dataset=options.dataset)
    except DATABASE_ERRORS as error:
        print(f"The database cannot be read: {why_not(error)}", file=sys.stderr)
        return 2
    except (ValueError, KeyboardInterrupt) as error:
        return exit_code(error)
    print(json.dumps(found, ensure_ascii=False, indent=2, default=str) if options.json else
          "\n".join(sentences(found, options.kind, options.id)))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
