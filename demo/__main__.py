"""`make demo`: an amoCRM account on this machine, read into DuckDB; three questions answered, and the report.

Again: what changed.
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

from amocrm_warehouse.address import add_database, without_password
from amocrm_warehouse.database import reading, tables
from amocrm_warehouse.desktop import show
from amocrm_warehouse.interrupt import exit_code
from amocrm_warehouse.report.command import after_sync
from amocrm_warehouse.sync import Outcome, sync
from amocrm_warehouse.sync.outcome import print_table
from demo import HOME, STATE, demo_plans
from demo.questions import QUESTIONS, table
from source_amocrm import atomic_file

ACCOUNT = STATE / "account.pickle"
CONFIG = STATE / "config.json"
DATABASE = str(HOME / "amocrm-demo.duckdb")
EDITS = 25


@contextmanager
def account(leads: int) -> Iterator[str]:
    """The sandbox's address while it runs; the account is kept in demo/state and gone on with next time."""
    options = ["--leads", str(leads), "--latency", "0.2", "0.4", "--state", str(ACCOUNT)]
    process = subprocess.Popen(
        [sys.executable, "-m", "integration_tests.sandbox", *options],
        cwd=HOME.parent,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        # its address, then a config of many lines
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
    edits = ask(address, f"edit?count={EDITS}", "POST")["edits"]
    kinds = Counter(str(line).split()[0] for line in edits)
    print(f"Since the last time people and robots worked in it: {len(edits)} edits,")
    print("  " + ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common()) + "\n")


def answer(database: str, prefix: str) -> None:
    with reading(database) as run:
        for question in QUESTIONS:
            names, rows = run(question.sql.format(t=f"amocrm.{prefix}"))
            print(f"\n{question.title}\n")
            print(table(dict(zip(names, row, strict=True)) for row in rows))


def forget(database: str, prefix: str) -> None:
    """Drops the tables of an account that is no more, and what dlt remembers of them."""
    there = tables(database)
    if not any(name.startswith(f"amocrm.{prefix}") for name in there):
        return
    name = prefix.rstrip("_")
    with reading(database) as run:
        for known in there:
            if known.startswith((f"amocrm.{prefix}", f"amocrm_load.{prefix}")):
                run(f"DROP TABLE {known} CASCADE")
        for known in {"amocrm._dlt_version", "amocrm_load._dlt_version"} & there:
            run(f"DELETE FROM {known} WHERE schema_name = '{name}'")
        run(f"DELETE FROM amocrm._dlt_pipeline_state WHERE pipeline_name = '{name}'")
        run("COMMIT")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--project", default="1001", help="tables are amocrm_<project>_<stream>")
    add_database(parser, DATABASE)
    parser.add_argument("--leads", type=int, default=2000, help="deals of a new account")
    given = parser.parse_args()
    prefix = f"amocrm_{given.project.lower()}_"
    try:
        outcome = run(given.db, given.project, given.leads, prefix)
        if outcome.totals:
            print("\nBuilding the models and the report …", flush=True)
            plan = demo_plans.write(given.db, given.project, STATE / "plans.csv", date.today())
            show(after_sync(given.db, given.project, plan))
    except (ValueError, RuntimeError, KeyboardInterrupt) as error:
        return exit_code(error)
    for sentence in outcome.errors:
        print(f"\n{sentence}", file=sys.stderr)
    return 1 if outcome.errors else 0


def run(database: str, project: str, leads: int, prefix: str) -> Outcome:
    known = ACCOUNT.exists()
    if not known:
        # tables of an account that is no more would be mixed with the new one's
        forget(database, prefix)
        STATE.mkdir(mode=0o700, exist_ok=True)
        print(f"Making an amoCRM account with {leads:,} deals on this machine …")
    with account(leads) as address:
        print(f"The account is at {address}: 7 requests a second, 0.2 to 0.4 s each, as amoCRM's.\n")
        if known:
            edit(address)
        outcome = sync(CONFIG, to=database, project=project)
        log = ask(address, "log")
    print_table(outcome, prefix)
    refused = sum(1 for seen in log if seen["status"] == 429)
    print(f"{len(log)} requests, {refused} × 429 (too many requests)")
    if not outcome.errors:
        answer(database, prefix)
        print(f"\nThe tables are in {without_password(database)}. `make demo` again reads only what changed since.")
    return outcome


if __name__ == "__main__":
    sys.exit(main())
