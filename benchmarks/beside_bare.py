"""Compares the CPU time of `read` and `sync` with that of a bare script (`benchmarks.bare`) for the same account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from testing.warehouse import PYTHON

from .floor import UNBOUND
from .line import Line, Workspace
from .loading import sync
from .measure import ALL, ROOT, Process, Run, Server, read, run, sandbox

START = ["note_types"]
"""A table that needs no request: reading it costs what a start costs."""
MOST = 3.0
"""Limit on the CPU of a command, as a multiple of the script's, each without its start."""
Runs = dict[str, Callable[[], Run | Process]]


def beside_floor(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """CPU of all streams beside that of the bare script, each without its start; the least of several runs counts."""
    leads, times = (2_000, 1) if quick else (9_000, 3)
    _, path = workspace.account(leads)
    folder = (workspace.folder / "floor").resolve()
    folder.mkdir(exist_ok=True)
    with sandbox(path) as server:
        for command, runs in {"read": _of_read(server, folder), "sync to DuckDB": _of_sync(server, folder)}.items():
            least = dict[str, float]()
            for _ in range(times):
                least = {name: min(one().cpu, least.get(name, float("inf"))) for name, one in runs.items()}
            own, floor = least["own"] - least["start"], least["bare"] - least["bare start"]
            figures = {"CPU": f"{own:.1f} s", "floor": f"{floor:.1f} s", "ratio": f"{own / floor:.1f}"}
            figures |= {"at most": f"{MOST}", "start": f"{least['start']:.2f} s"}
            yield Line(f"{leads:,} leads, all streams, {command} beside a bare script", figures, own <= MOST * floor)


def _of_read(server: Server, folder: Path) -> Runs:
    return {
        "start": lambda: read(server, START, folder, **UNBOUND),
        "own": lambda: read(server, ALL, folder, **UNBOUND),
        "bare start": lambda: _python(folder, "-c", "import json, orjson, urllib3"),
        "bare": lambda: _python(folder, "-m", "benchmarks.bare", str(folder / "config.json")),
    }


def _of_sync(server: Server, folder: Path) -> Runs:
    file = folder / "crm.duckdb"

    def into_new_file(command: Callable[[], Process]) -> Process:
        file.unlink(missing_ok=True)
        return command()

    start, config = "import json, orjson, urllib3, duckdb, pyarrow", str(folder / "config.json")
    return {
        "start": lambda: into_new_file(lambda: sync(server, folder, f"duckdb:///{file}", START, **UNBOUND)),
        "own": lambda: into_new_file(lambda: sync(server, folder, f"duckdb:///{file}", **UNBOUND)),
        "bare start": lambda: _python(folder, "-c", start),
        "bare": lambda: into_new_file(lambda: _python(folder, "-m", "benchmarks.bare", config, str(file))),
    }


def _python(folder: Path, *arguments: str) -> Process:
    return run([str(PYTHON), *arguments], ROOT, folder / "bare.jsonl")
