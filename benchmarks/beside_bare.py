"""Compares the CPU time of `read` with that of a bare script (`benchmarks.bare`) for the same account."""

from __future__ import annotations

from collections.abc import Iterator

from testing.warehouse import PYTHON

from .floor import UNBOUND
from .line import Line, Workspace
from .measure import ALL, ROOT, Process, Run, read, run, sandbox


def beside_floor(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """CPU of all streams beside that of the bare script, each without its start; the least of several runs counts."""
    leads, times = (2_000, 1) if quick else (9_000, 3)
    _, path = workspace.account(leads)
    folder = (workspace.folder / "floor").resolve()
    folder.mkdir(exist_ok=True)
    python, output, least = [str(PYTHON)], folder / "bare.jsonl", dict[str, float]()
    with sandbox(path) as server:
        for _ in range(times):
            runs: dict[str, Run | Process] = {
                "start": read(server, ["note_types"], folder, **UNBOUND),
                "read": read(server, ALL, folder, **UNBOUND),
                "bare start": run([*python, "-c", "import json, orjson, urllib3"], ROOT, output),
                "bare": run(
                    [*python, "-m", "benchmarks.bare", str(folder / "config.json")], ROOT, folder / "bare.jsonl"
                ),
            }
            least = {name: min(one.cpu, least.get(name, one.cpu)) for name, one in runs.items()}
    own, floor = least["read"] - least["start"], least["bare"] - least["bare start"]
    figures = {"CPU": f"{own:.1f} s", "floor": f"{floor:.1f} s", "ratio": f"{own / floor:.1f}", "at most": "3.0"}
    figures["start"] = f"{least['start']:.2f} s"
    yield Line(f"{leads:,} leads, all streams, beside a bare script", figures, own <= 3 * floor)
