"""`make demo`: reads an amoCRM account on this machine into DuckDB, answers three questions and builds the report.

Run again, it edits the account and reads only the changes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from amocrm_warehouse.database import reading, tables
from amocrm_warehouse.database_address import add_database, duckdb_file, is_file, without_password
from amocrm_warehouse.interrupt import end_by_ctrl_c, exit_code
from amocrm_warehouse.live_line import live_line
from amocrm_warehouse.report.report_command import after_sync
from amocrm_warehouse.sync import Outcome, sync
from amocrm_warehouse.sync.sync_command import print_table
from amocrm_warehouse.table_names import table_name
from amocrm_warehouse.this_machine import files_for_their_owner, show
from demo import HOME, STATE, demo_plans
from demo.sales_questions import QUESTIONS, table
from source_amocrm import atomic_file

ACCOUNT = STATE / "account.pickle"
CONFIG = STATE / "config.json"
DATABASE = str(HOME / "amocrm-demo.duckdb")
EDITS = 25


@contextmanager
def account(leads: int) -> Iterator[str]:
    """Runs the sandbox and yields its address. The account is kept in demo/state and used again next time."""
    options = ["--leads", str(leads), "--latency", "0.2", "0.4", "--business", "--state", str(ACCOUNT)]
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", *options],
        cwd=HOME.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        # the sandbox prints its address, then a config of many lines
        address = process.stdout.readline().strip()
        config = "".join(iter(process.stdout.readline, "}\n")) + "}"
        if not address:
            raise RuntimeError("The sandbox account did not start; what it said is above.")
        atomic_file.write(CONFIG, config)
        yield address
    finally:
        process.terminate()
        process.wait()


def ask(address: str, path: str, method: str = "GET") -> Any:
    request = urllib.request.Request(f"{address}/_sandbox/{path}", method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def edit(address: str) -> None:
    edits = ask(address, f"work?count={EDITS}", "POST")["edits"]
    kinds = Counter(str(line).split()[0] for line in edits)
    print(f"Since the last time people worked in it: {len(edits)} edits,")
    print("  " + ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common()) + "\n")


def answer(database: str, prefix: str) -> None:
    with reading(database) as run:
        for question in QUESTIONS:
            names, rows = run(question.sql.format(t=f"amocrm.{prefix}"))
            print(f"\n{question.title}\n")
            print(table(dict(zip(names, row, strict=True)) for row in rows))


def forget(database: str, prefix: str) -> None:
    """Drops the tables of an account that no longer exists."""
    if is_file(database) and not duckdb_file(database).exists():
        return
    present = tables(database)
    if not any(name.startswith(f"amocrm.{prefix}") for name in present):
        return
    with reading(database) as run:
        for one in present:
            if one.startswith(f"amocrm.{prefix}"):
                run(f"DROP TABLE {one} CASCADE")
        run("COMMIT")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--project", default="1001", help="tables are amocrm_<project>_<stream>")
    add_database(parser, DATABASE)
    parser.add_argument("--leads", type=int, default=2000, help="deals of a new account")
    options = parser.parse_args()
    end_by_ctrl_c()
    prefix = table_name(options.project)
    try:
        outcome = run(options.db, options.project, options.leads, prefix)
        if outcome.totals:
            print("\nBuilding the models and the report …", flush=True)
            plan = demo_plans.write(options.db, options.project, STATE / "plans.csv", date.today())
            show(after_sync(options.db, options.project, plan))
    except (ValueError, RuntimeError, KeyboardInterrupt) as error:
        return exit_code(error)
    for sentence in outcome.errors:
        print(f"\n{sentence}", file=sys.stderr)
    return 1 if outcome.errors else 0


def run(database: str, project: str, leads: int, prefix: str) -> Outcome:
    exists = ACCOUNT.exists()
    if not exists:
        # the new account's rows would mix with those of a deleted one
        forget(database, prefix)
        STATE.mkdir(mode=0o700, exist_ok=True)
        print(f"Making an amoCRM account with {leads:,} deals on this machine …")
    with account(leads) as address:
        print(f"The account is at {address}: 7 requests a second, 0.2 to 0.4 s each, as amoCRM's.\n")
        if exists:
            edit(address)
        with files_for_their_owner(), live_line() as line:
            outcome = sync(CONFIG, to=database, project=project, line=line)
        log = ask(address, "log")
    print_table(outcome, prefix)
    refused = sum(1 for request in log if request["status"] == 429)
    print(f"{len(log)} requests, {refused} × 429 (too many requests)")
    if not outcome.errors:
        answer(database, prefix)
        print(f"\nThe tables are in {without_password(database)}. `make demo` again reads only what changed since.")
    return outcome


if __name__ == "__main__":
    sys.exit(main())
