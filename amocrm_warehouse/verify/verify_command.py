"""`source-amocrm verify`: proves on the user's own account that the tables of a database equal it."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from amocrm_warehouse.database import DATABASE_ERRORS
from amocrm_warehouse.database_address import add_database
from amocrm_warehouse.database_errors import why
from amocrm_warehouse.hidden_modules import without_heavy_modules
from amocrm_warehouse.interrupt import end_by_ctrl_c, exit_code
from amocrm_warehouse.sync.account_sync import project_of
from amocrm_warehouse.table_names import SCHEMA, table_name
from amocrm_warehouse.this_machine import files_for_their_owner
from amocrm_warehouse.verify.verification import REQUESTS, verify
from source_amocrm.arguments import ArgumentParser
from source_amocrm.config_file import ConfigFile

__all__ = ["verify"]


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="source-amocrm verify", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="what `source-amocrm connect` wrote")
    add_database(parser)
    parser.add_argument("--project", help="tables are amocrm_<project>_<stream>; the account's subdomain by default")
    parser.add_argument("--dataset", default=SCHEMA, help=f"the schema of the tables; {SCHEMA} by default")
    parser.add_argument(
        "--requests", type=int, default=REQUESTS, help=f"besides the IDs of cards; {REQUESTS} by default"
    )
    parser.add_argument("--no-sync", action="store_true", help="do not sync: what differs waits for your own sync")
    parser.add_argument("--again", type=Path, metavar="FILE", help="where it waits, and is judged from after that sync")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers, which name nobody, to this file")
    options = parser.parse_args(arguments)
    end_by_ctrl_c()
    logging.getLogger("airbyte").setLevel(logging.ERROR)
    try:
        project = options.project or project_of(options.config)
        for notice in ConfigFile(options.config).make_private():
            print(notice, file=sys.stderr)
        again = options.again or Path(f"verify-{project}.json")
        with files_for_their_owner(), without_heavy_modules():
            result = verify(
                options.config, options.db, project, options.dataset,
                requests=options.requests, no_sync=options.no_sync, again=again,
            )  # fmt: skip
        if options.json:
            options.json.write_text(json.dumps(result.as_json(), indent=2) + "\n", encoding="utf-8")
    except DATABASE_ERRORS as error:
        print(f"The database cannot be read: {why(error)}", file=sys.stderr)
        return 2
    except (ValueError, KeyboardInterrupt) as error:
        return exit_code(error)
    said = [*result.advice(), *filter(None, [result.not_kept])]
    print("\n".join([result.sentence(), "", *result.lines(table_name(project)), *(f"\n{line}" for line in said)]))
    return result.exit_code


if __name__ == "__main__":
    sys.exit(main())
