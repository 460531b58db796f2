"""Measures the models and the report of a large account."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from testing.warehouse import PYTHON

from .floor import FASTEST
from .line import Line, Workspace
from .measure import ROOT, run, sandbox
from .page_speed import page_speed

PROJECT = "1001"
MOST_TO_BUILD, MOST_TO_REPORT = 60, 10
"""Limits on the time for the models and for the report (seconds)."""
LARGEST = 3_000_000
"""Limit on the size of the report (bytes)."""
REPORT = """
import sys
from pathlib import Path
from amocrm_warehouse.report.report_command import report
report(sys.argv[1], Path(sys.argv[2]))
"""


def answers(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """First all models and their tests, with dbt's start-up and its parsing; then the report alone; then its page."""
    leads = 2_000 if quick else 50_000
    folder = workspace.folder.resolve()
    database, page, output = (folder / name for name in ("models.duckdb", "report.html", "models.txt"))
    shutil.copy(tables(workspace, leads), database)
    with TemporaryDirectory(prefix="amocrm-bench-home-") as home:
        command = [str(PYTHON), "-m", "amocrm_warehouse.models_command", "--project", PROJECT, "--db", str(database)]
        built = run(command, ROOT, output, environment={"SOURCE_AMOCRM_HOME": home})
    name = f"{leads:,} leads, models built and tested in DuckDB"
    yield Line(name, built.figures | {"at most": f"{MOST_TO_BUILD} s"}, built.wall <= MOST_TO_BUILD)

    written = run([str(PYTHON), "-c", REPORT, str(database), str(page)], ROOT, output)
    size = page.stat().st_size
    figures = written.figures | {"at most": f"{MOST_TO_REPORT} s", "size": f"{size:,} bytes of {LARGEST:,}"}
    yield Line(f"{leads:,} leads, the report", figures, written.wall <= MOST_TO_REPORT and size <= LARGEST)
    yield from page_speed(page, f"{leads:,} leads")


def tables(workspace: Workspace, leads: int) -> Path:
    """Returns a DuckDB file of all tables of the account. It is synced once and kept in the workspace."""
    folder = workspace.folder.resolve()
    database, made = (folder / f"{leads}-tables{end}.duckdb" for end in ("", "-made"))
    if not database.exists():
        _, path = workspace.account(leads)
        made.unlink(missing_ok=True)
        config = folder / "sync.json"
        with sandbox(path) as server:
            config.write_text(json.dumps({**server.config, "requests_per_second": FASTEST}), encoding="utf-8")
            options = ["--config", str(config), "--project", PROJECT, "--to", str(made)]
            command = [str(PYTHON), "-m", "amocrm_warehouse.sync.sync_command", *options]
            run(command, ROOT, folder / "sync.txt")
        made.replace(database)
    return database
