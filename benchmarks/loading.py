"""Measures `source-amocrm sync` into real databases: the cost of a first sync, and the time of the next one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from testing import postgres

from .floor import FASTEST, PER_SECOND
from .line import Line, Workspace
from .measure import ALL, COMMAND, Process, Server, run, sandbox

EDITS = 100
MOST_MEMORY = 400e6
"""Limit on the peak memory of a sync (bytes)."""
WIDE = 12_000
"""Deals of the account of which every stream is read with `raw_records`."""


def loaded(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """The fifteen tables without rate limit and latency; then the changes, with both."""
    leads = 2_000 if quick else 50_000
    for kind in ("DuckDB", "PostgreSQL"):
        with ExitStack() as stack:
            _, path = workspace.account(leads)
            folder = (workspace.folder / f"loaded-{kind}").resolve()
            folder.mkdir(exist_ok=True)
            (folder / "crm.duckdb").unlink(missing_ok=True)
            to = stack.enter_context(postgres.server()) if kind == "PostgreSQL" else "duckdb:///crm.duckdb"
            with sandbox(path) as server:
                first = sync(server, folder, to, requests_per_second=FASTEST)
            name = f"{leads:,} leads, fifteen tables into {kind}"
            yield Line(name, first.figures, first.memory <= MOST_MEMORY)
            with sandbox(path, (0.3, 0.55), PER_SECOND) as server:
                server.edit(EDITS)
                before = len(server.log())
                again = sync(server, folder, to)
                requests = len(server.log()) - before
            limit = 1.2 * requests / PER_SECOND + 5
            figures = again.figures | {"requests": f"{requests}", "at most": f"{limit:.1f} s"}
            yield Line(f"{name}, after {EDITS} edits", figures, again.wall <= limit)
    wide = 2_000 if quick else WIDE
    _, path = workspace.account(wide)
    folder = (workspace.folder / "loaded-wide").resolve()
    folder.mkdir(exist_ok=True)
    (folder / "crm.duckdb").unlink(missing_ok=True)
    with sandbox(path) as server:
        every = sync(server, folder, "duckdb:///crm.duckdb", (), requests_per_second=FASTEST, raw_records=True)
    yield Line(f"{wide:,} leads, all streams with `raw` into DuckDB", every.figures, every.memory <= MOST_MEMORY)


def sync(server: Server, folder: Path, to: str, streams: Sequence[str] = ALL, **settings: object) -> Process:
    """Runs `source-amocrm sync`. `streams`: empty for all."""
    config = folder / "config.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({**server.config, **settings}), encoding="utf-8")
    options = ["--config", str(config), "--project", "1001", "--to", to]
    options += ["--streams", ",".join(streams)] if streams else []
    return run([str(COMMAND), "sync", *options], folder, folder / "sync.txt")
