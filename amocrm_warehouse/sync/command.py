"""`source-amocrm sync`: an account's tables, brought up to date in a database."""

from __future__ import annotations

import argparse
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

from amocrm_warehouse.address import add_database, listed
from amocrm_warehouse.interrupt import ended
from amocrm_warehouse.sync.outcome import print_table
from amocrm_warehouse.sync.syncing import project_of, sync


class _Without(MetaPathFinder):
    """dlt, pyarrow and duckdb import these where they find them, and do without elsewhere. They take 70 MB."""

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
    parser.add_argument("--streams", default="", help="only these, separated by commas")
    parser.add_argument("--dataset", default="amocrm", help="the schema of the tables; amocrm by default")
    parser.add_argument("--report", action="store_true", help="build the models and write the report after it")
    parser.add_argument("--plans", type=Path, help="the file of plans for the report")
    given = parser.parse_args(arguments)
    finder = _Without("pandas", "numpy", *([] if given.db.startswith("mysql") else ["sqlalchemy"]))
    sys.meta_path.insert(0, finder)
    try:
        project = given.project or project_of(given.config)
        streams = listed(given.streams) or None
        outcome = sync(given.config, to=given.db, project=project, streams=streams, dataset=given.dataset)
    except (ValueError, KeyboardInterrupt) as error:
        return ended(error)
    finally:
        sys.meta_path.remove(finder)
    if outcome.totals or not outcome.errors:
        print_table(outcome, f"amocrm_{project.lower()}_")
    for sentence in outcome.notices:
        print(f"\n{sentence}")
    for sentence in outcome.errors:
        print(f"\n{sentence}", file=sys.stderr)
    if given.report and outcome.totals:
        from amocrm_warehouse.desktop import show
        from amocrm_warehouse.report.command import after_sync  # dbt takes seconds to import

        try:
            show(after_sync(given.db, project, given.plans, given.dataset))
        except (ValueError, KeyboardInterrupt) as error:
            print("\nThe tables are read; no report was made of them.", file=sys.stderr)
            return ended(error)
    return 1 if outcome.errors else 0


if __name__ == "__main__":
    sys.exit(main())
