"""`make report`: the models built, and one HTML file made of the marts."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from amocrm_fleet.folder import accounts
from amocrm_fleet.status import status_of
from amocrm_warehouse.address import duckdb_file
from amocrm_warehouse.database import Failed, reading, tables, united
from amocrm_warehouse.desktop import show
from amocrm_warehouse.interrupt import ended
from amocrm_warehouse.models import add_options, build, build_as_asked
from amocrm_warehouse.report.page import write


def report(database: str, path: Path | None = None, unread: list[str] | None = None) -> Path:
    """Writes the file of the marts that are there. Raises ValueError with a sentence where that cannot be done."""
    path = path or place(database)
    try:
        with reading(database) as run:
            write(path, run, unread or [])
    except Failed as error:
        raise ValueError(f"The marts cannot be read: {' '.join(str(error).split())}") from None
    return path


def place(database: str, told: Path | None = None) -> Path:
    """Where the report is written: unless told beside a DuckDB file, or in the folder one is in.

    Raises ValueError where it cannot be, which is better known before the models are built.
    """
    if told is None and "://" not in database:
        file = duckdb_file(database)
        told = file.with_name(f"{file.stem}-report.html")
    path = (told or Path("amocrm-report.html")).resolve()
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ValueError(
            f"The report cannot be written to {path}. Name a file in a folder that is there: OUT=report.html."
        )
    return path


def failures(folder: Path) -> list[str]:
    """A sentence for each account of a fleet's folder whose last sync failed. Raises FleetError."""
    of_each = [(account.name, status_of(account)) for account in accounts(folder)]
    return [
        f"{name}, last read whole {status.succeeded or 'never'}: {' '.join(status.last.failures)}"
        for name, status in of_each
        if status.last.failures
    ]


def after_sync(database: str, project: str, unread: list[str], plans: Path | None = None) -> Path:
    """The models and the report of what a sync has read, together with the projects that the marts united before."""
    there = {name.partition(".")[2] for name in tables(database)}
    others = [known.lower() for known in united(database)]
    kept = {known for known in others if {f"amocrm_{known}_deals", f"amocrm_{known}_account"} & there}
    build(database, sorted(kept | {project.lower()}), plans=plans)
    return report(database, unread=unread)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make report", description=__doc__)
    add_options(parser)
    parser.add_argument("--out", type=Path, help="the file to write; by default beside the DuckDB file")
    folder = os.environ.get("ACCOUNTS") or None
    parser.add_argument("--accounts", type=Path, default=folder, help="a fleet's folder, whose failures are told")
    given = parser.parse_args(arguments)
    try:
        path = place(given.db, given.out)
        unread = failures(given.accounts) if given.accounts else []
        build_as_asked(given)
        report(given.db, path, unread)
    except (ValueError, KeyboardInterrupt) as error:
        return ended(error)
    show(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
