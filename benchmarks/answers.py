"""The models and the report of a large account, by the commands of the warehouse."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from integration_tests.warehouse import PYTHON

from .floor import FASTEST
from .line import Line, Place
from .measure import ROOT, Process, run, sandbox

PROJECT = "1001"
MOST_TO_BUILD = 60
MOST_TO_REPORT = 10
"""Seconds."""
LARGEST = 2_000_000
"""Bytes of the report."""
REPORT = """
import sys
from pathlib import Path
from amocrm_warehouse.report.command import report
report(sys.argv[1], Path(sys.argv[2]))
"""


def answers(place: Place, quick: bool) -> Iterator[Line]:
    """Everything that is built and tested, start-up included and nothing parsed before; then the report alone."""
    leads = 2_000 if quick else 50_000
    database, page, output = (place.folder.resolve() / name for name in ("models.duckdb", "report.html", "models.txt"))
    shutil.copy(tables(place, leads), database)
    with TemporaryDirectory(prefix="amocrm-bench-parsed-") as parsed:
        command = [str(PYTHON), "-m", "amocrm_warehouse.models", "--project", PROJECT, "--db", str(database)]
        built = run(command, ROOT, output, environment={"AMOCRM_TARGET": parsed})
    name = f"{leads:,} leads, models built and tested in DuckDB"
    yield Line(name, _figures(built, MOST_TO_BUILD), built.wall <= MOST_TO_BUILD)

    written = run([str(PYTHON), "-c", REPORT, str(database), str(page)], ROOT, output)
    size = page.stat().st_size
    figures = _figures(written, MOST_TO_REPORT) | {"size": f"{size:,} bytes of {LARGEST:,}"}
    yield Line(f"{leads:,} leads, the report", figures, written.wall <= MOST_TO_REPORT and size <= LARGEST)


def _figures(process: Process, limit: float) -> dict[str, str]:
    return {
        "wall": f"{process.wall:.1f} s",
        "at most": f"{limit} s",
        "CPU": f"{process.cpu:.1f} s",
        "peak memory": f"{process.memory / 1e6:.0f} MB",
    }


def tables(place: Place, leads: int) -> Path:
    """A DuckDB file of all tables of the account, as a sync writes it; kept with the account."""
    folder = place.folder.resolve()
    database, made = (folder / f"{leads}-tables{end}.duckdb" for end in ("", "-made"))
    if not database.exists():
        _, path = place.account(leads)
        made.unlink(missing_ok=True)
        config = folder / "sync.json"
        with sandbox(path) as server:
            config.write_text(json.dumps({**server.config, "requests_per_second": FASTEST}), encoding="utf-8")
            options = ["--config", str(config), "--project", PROJECT, "--to", str(made)]
            command = [str(PYTHON), "-m", "amocrm_warehouse.sync.command", *options]
            run(command, ROOT, folder / "sync.txt")
        made.replace(database)
    return database
