"""`source-amocrm sync`: an account's tables, brought up to date in a database."""

from __future__ import annotations

import argparse
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

from amocrm_warehouse.database_address import add_database, listed
from amocrm_warehouse.interrupt import exit_code
from amocrm_warehouse.sync.account_sync import project_of, sync
from amocrm_warehouse.sync.outcome import print_table
from amocrm_warehouse.table_names import SCHEMA, table_name


class _Without(MetaPathFinder):
    """Hides modules, of 70 MB, that dlt, pyarrow and duckdb import if they are installed, and do not need."""

    def __init__(self, *modules: str) -> None:
        self._modules = modules

    def find_spec(self, name: str, *_: object) -> None:
        if name in self._modules:
            raise ModuleNotFoundError(f"A sync needs no {name}", name=name)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="source-amocrm sync", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="what `source-amocrm connect` wrote")
    add_database(parser)
    parser.add_argument("--project", help="tables are amocrm_<project>_<stream>; the account's subdomain by default")
    parser.add_argument("--streams", default="", help="the streams to read, separated by commas; all by default")
    parser.add_argument("--without", default="", help="the streams to leave out, separated by commas")
    parser.add_argument("--dataset", default=SCHEMA, help=f"the schema of the tables; {SCHEMA} by default")
    parser.add_argument("--report", action="store_true", help="then build the models and write the report")
    parser.add_argument("--plans", type=Path, help="the file of plans for the report")
    options = parser.parse_args(arguments)
    finder = _Without("pandas", "numpy", *([] if options.db.startswith("mysql") else ["sqlalchemy"]))
    sys.meta_path.insert(0, finder)
    try:
        project = options.project or project_of(options.config)
        streams = listed(options.streams) or None
        outcome = sync(
            options.config,
            to=options.db,
            project=project,
            streams=streams,
            without=listed(options.without),
            dataset=options.dataset,
        )
    except (ValueError, KeyboardInterrupt) as error:
        return exit_code(error)
    finally:
        sys.meta_path.remove(finder)
    if outcome.totals or not outcome.errors:
        print_table(outcome, table_name(project))
    for sentence in outcome.notices:
        print(f"\n{sentence}")
    for sentence in outcome.errors:
        print(f"\n{sentence}", file=sys.stderr)
    if options.report and outcome.totals:
        from amocrm_warehouse.report.report_command import after_sync  # dbt takes seconds to import
        from amocrm_warehouse.this_machine import show

        try:
            show(after_sync(options.db, project, options.plans, options.dataset))
        except (ValueError, KeyboardInterrupt) as error:
            print("\nThe tables are read; no report was made of them.", file=sys.stderr)
            return exit_code(error)
    return 1 if outcome.errors else 0


if __name__ == "__main__":
    sys.exit(main())
