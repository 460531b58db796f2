"""`source-amocrm sync`: an account's tables, brought up to date in a database."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from amocrm_warehouse.database_address import add_database, listed
from amocrm_warehouse.hidden_modules import without_heavy_modules
from amocrm_warehouse.interrupt import end_by_ctrl_c, exit_code, interrupted
from amocrm_warehouse.kept_options import Kept, add_kept
from amocrm_warehouse.live_line import live_line
from amocrm_warehouse.plans_and_costs import read_plans
from amocrm_warehouse.sync.account_sync import Outcome, project_of, sync
from amocrm_warehouse.table_names import SCHEMA, table_name
from amocrm_warehouse.this_machine import files_for_their_owner
from source_amocrm.arguments import ArgumentParser
from source_amocrm.config_file import ConfigFile

SHORTEST_PERIOD = 30
"""Least seconds from one round of `--every` to the next: a round asks for each list, changed or not."""


def main(arguments: list[str] | None = None) -> int:
    parser = ArgumentParser(prog="source-amocrm sync", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="what `source-amocrm connect` wrote")
    add_database(parser)
    parser.add_argument("--project", help="tables are amocrm_<project>_<stream>; the account's subdomain by default")
    parser.add_argument("--streams", default="", help="the streams to read, separated by commas; all by default")
    parser.add_argument("--without", default="", help="the streams to leave out, separated by commas")
    parser.add_argument("--refresh", default="", help="streams, or all, to read from the beginning and to replace")
    parser.add_argument("--dataset", default=SCHEMA, help=f"the schema of the tables; {SCHEMA} by default")
    add_kept(parser)
    parser.add_argument("--report", action="store_true", help="then build the models and write the report")
    parser.add_argument("--plans", type=Path, help="the file of plans for the report")
    parser.add_argument("--every", type=_period, metavar="SECONDS", help="sync again and again, 30 s apart or more")
    options = parser.parse_args(arguments)
    end_by_ctrl_c(signal.SIGTERM)
    try:
        if options.plans:
            read_plans(options.plans)  # a mistake in the file is told before the account is read
        project = options.project or project_of(options.config)
        for notice in ConfigFile(options.config).make_private():
            print(notice, file=sys.stderr)
        began = time.monotonic()
        said = set[str]()
        code = _sync(options, project, said)
        if options.every:
            _keep_on(options, project, began, said)
    except (ValueError, KeyboardInterrupt) as error:
        return exit_code(error)
    return code


def _period(text: str) -> int:
    if not text.isdecimal() or int(text) < SHORTEST_PERIOD:
        raise argparse.ArgumentTypeError(f"a number of seconds, {SHORTEST_PERIOD} or more")
    return int(text)


def _keep_on(options: argparse.Namespace, project: str, began: float, said: set[str]) -> NoReturn:
    """Syncs once a period, after a round that `began` then, until a signal raises KeyboardInterrupt.

    Prints a line a round, and sentences that the round before has not `said`. A round that fails is said, and the next
    one comes. After a round longer than the period the next comes at once.
    """
    options.refresh = ""
    while True:
        began = max(began + options.every, time.monotonic())
        time.sleep(began - time.monotonic())
        try:
            _sync(options, project, said, later=True)
        except ValueError as error:
            if interrupted():
                raise KeyboardInterrupt from None
            print(f"{_now()}  This round failed:", file=sys.stderr)
            exit_code(error)


def _sync(options: argparse.Namespace, project: str, said: set[str], later: bool = False) -> int:
    """Syncs once, says how it went, and returns the exit code. Raises ValueError and KeyboardInterrupt.

    `said`: the sentences of the round before, which a `later` round does not repeat; replaced by those of this round.
    """
    with files_for_their_owner(), without_heavy_modules(), live_line() as line:
        import pyarrow  # after the heavy modules are hidden, which it would import

        # The allocator that Arrow chooses keeps the memory of loaded batches: some 55 MB of 440 at 50,000 deals.
        pyarrow.set_memory_pool(pyarrow.system_memory_pool())
        streams = listed(options.streams) or None
        outcome = sync(
            options.config,
            to=options.db,
            project=project,
            streams=streams,
            without=listed(options.without),
            refresh=listed(options.refresh),
            dataset=options.dataset,
            line=line,
            **vars(Kept.of(options)),
        )
    if later:
        print(f"{_now()}  {_in_a_line(outcome)}", flush=True)
    elif outcome.totals or not outcome.errors:
        print_table(outcome, table_name(project))
    for sentence, file in (
        *((one, sys.stdout) for one in outcome.notices),
        *((one, sys.stderr) for one in outcome.errors),
    ):
        if sentence not in said:
            print(f"\n{sentence}", file=file, flush=True)
    said.clear()
    said.update(outcome.notices, outcome.errors)
    if options.report and outcome.totals:
        from amocrm_warehouse.models_command import remove_locks  # dbt takes seconds to import
        from amocrm_warehouse.report.report_command import after_sync
        from amocrm_warehouse.this_machine import show

        try:
            path = after_sync(options.db, project, options.plans, options.dataset)
        except (ValueError, KeyboardInterrupt):
            print("\nThe tables are read; no report was made of them.", file=sys.stderr)
            raise
        finally:
            remove_locks()
        if not options.every:
            show(path)
        elif not later:
            print(f"\nThe report: {path}", flush=True)  # a browser would open it each time
    return 1 if outcome.errors else 0


def _now() -> str:
    return f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}"


def _in_a_line(outcome: Outcome) -> str:
    """Returns the rows of a round, and the tables that they went into (most rows first)."""
    tables = ", ".join(f"{stream} {rows:,}" for stream, rows in outcome.received.most_common() if rows)
    rows = f"{outcome.received.total():,} rows in {outcome.seconds:.1f} s" + (f": {tables}" if tables else "")
    return f"{rows}; not complete" if outcome.errors else rows


def print_table(outcome: Outcome, prefix: str) -> None:
    """Prints, for each stream, how many rows were read and how many its table has."""
    width = max((len(name) for name in outcome.totals), default=0) + len(prefix)
    print(f"\n{'table':<{width}}  {'rows read':>10}  {'in the table':>12}")
    for stream, total in sorted(outcome.totals.items()):
        print(f"{prefix + stream:<{width}}  {outcome.received[stream]:>10,}  {total:>12,}")
    print(f"\n{outcome.received.total():,} rows in {outcome.seconds:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
