"""`make report`: the models built, and one HTML file made of the marts."""

from __future__ import annotations

import argparse
import os
import sys
import webbrowser
from pathlib import Path

from demo import ended
from demo.address import duckdb_file
from demo.models import add_options, build, build_as_asked
from demo.reading import Failed, reading, tables, united
from models.report.page import write


def report(database: str, path: Path | None = None, unread: list[str] | None = None) -> Path:
    """Writes the file of the marts that are there. Raises ValueError with a sentence where that cannot be done."""
    path = (path or beside(database)).resolve()
    try:
        with reading(database) as run:
            write(path, run, unread or [])
    except Failed as error:
        raise ValueError(f"The marts cannot be read: {' '.join(str(error).split())}") from None
    return path


def beside(database: str) -> Path:
    """Where a report is written unless told: beside a DuckDB file, else in the folder one is in."""
    if "://" in database:
        return Path("amocrm-report.html")
    file = duckdb_file(database)
    return file.with_name(f"{file.stem}-report.html")


def after_sync(database: str, project: str, unread: list[str], plans: Path | None = None) -> Path:
    """The models and the report of what a sync has read, together with the projects that the marts united before."""
    there = {name.partition(".")[2] for name in tables(database)}
    others = [known.lower() for known in united(database)]
    kept = {known for known in others if {f"amocrm_{known}_deals", f"amocrm_{known}_account"} & there}
    build(database, sorted(kept | {project.lower()}), plans=plans)
    return report(database, unread=unread)


def show(path: Path) -> None:
    """Tells where the file is; on a desktop, opens it."""
    print(f"\nThe report: {path}", flush=True)
    if has_display():
        webbrowser.open(path.as_uri())


def has_display() -> bool:
    """Not so in CI, nor where one is logged in from elsewhere."""
    if any(os.environ.get(name) for name in ("CI", "SSH_CONNECTION")):
        return False
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make report", description=__doc__)
    add_options(parser)
    parser.add_argument("--out", type=Path, help="the file to write; by default beside the DuckDB file")
    given = parser.parse_args(arguments)
    try:
        build_as_asked(given)
        path = report(given.db, given.out)
    except (ValueError, KeyboardInterrupt) as error:
        return ended(error)
    show(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
