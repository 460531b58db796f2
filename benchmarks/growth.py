"""Measures how cost grows with the account: the exponents of CPU, memory, requests and disk, from small to large.

An exponent of 1 means that twice the deals cost twice as much, of 0 that they cost the same.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from testing.warehouse import PYTHON

from .answers import PROJECT, REPORT
from .floor import FASTEST
from .line import Line, Workspace
from .loading import EDITS
from .measure import ALL, COMMAND, ROOT, Process, Server, read, run, sandbox

SIZES, QUICK = (5_000, 20_000, 200_000), (500, 2_000)
MOST: Mapping[str, float] = {"CPU": 1.1, "memory": 0.35, "requests": 1.05, "disk": 1.1}
"""Limit on each exponent."""
FIXED = 1.0
"""Least CPU seconds, and requests, of which an exponent is taken: those of a start alone grow with nothing."""

Costs = dict[str, float]
"""Of one command: CPU seconds, bytes of memory, requests, bytes of the database."""


def growth(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """Each command without a pace, on accounts of each size; then the exponents between the first and the last."""
    sizes = QUICK if quick else SIZES
    found: dict[str, dict[int, Costs]] = {}
    for leads in sizes:
        for command, costs in _commands(workspace, leads):
            found.setdefault(command, {})[leads] = costs
            yield Line(f"{leads:,} leads, {command}", {name: _shown(name, cost) for name, cost in costs.items()}, True)
    for command, by_leads in found.items():
        powers = exponents(by_leads)
        held = quick or all(power <= MOST[name] for name, power in powers.items())
        shown = {name: f"{power:.2f} (at most {MOST[name]})" for name, power in powers.items()}
        yield Line(f"exponents of {command}, {sizes[0]:,} to {sizes[-1]:,} leads", shown, held)


def exponents(by_leads: Mapping[int, Costs]) -> dict[str, float]:
    """Returns the power of the number of leads with which each cost grows, between the smallest and the largest."""
    least, most = min(by_leads), max(by_leads)
    return {
        name: math.log(max(by_leads[most][name], FIXED) / max(cost, FIXED)) / math.log(most / least)
        for name, cost in by_leads[least].items()
    }


def _commands(workspace: Workspace, leads: int) -> Iterator[tuple[str, Costs]]:
    """Yields the cost of each command: a read, a sync, the next sync after some edits, the models, the report."""
    _, path = workspace.account(leads)
    folder = (workspace.folder / f"growth-{leads}").resolve()
    folder.mkdir(exist_ok=True)
    file = folder / "crm.duckdb"
    file.unlink(missing_ok=True)
    with sandbox(path) as server:
        reading = read(server, ALL, folder, requests_per_second=FASTEST)
        yield "read", {"CPU": reading.cpu, "memory": reading.memory, "requests": reading.requests}
        yield "sync", _sync(server, folder, file)
        server.edit(EDITS)
        yield f"the next sync after {EDITS} edits", _sync(server, folder, file)
    to = ["--project", PROJECT, "--to", str(file)]
    models = run([str(PYTHON), "-m", "amocrm_warehouse.models_command", *to], ROOT, folder / "models.txt")
    yield "models", _costs(models) | {"disk": file.stat().st_size}
    page = folder / "report.html"
    report = run([str(PYTHON), "-c", REPORT, str(file), str(page)], ROOT, folder / "report.txt")
    yield "report", _costs(report) | {"disk": page.stat().st_size}


def _sync(server: Server, folder: Path, file: Path) -> Costs:
    config = folder / "sync.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({**server.config, "requests_per_second": FASTEST}), encoding="utf-8")
    before = len(server.log())
    options = ["--config", str(config), "--project", PROJECT, "--to", str(file), "--streams", ",".join(ALL)]
    done = run([str(COMMAND), "sync", *options], folder, folder / "sync.txt")
    return _costs(done) | {"requests": len(server.log()) - before, "disk": file.stat().st_size}


def _costs(process: Process) -> Costs:
    return {"CPU": process.cpu, "memory": process.memory}


def _shown(name: str, cost: float) -> str:
    return {"CPU": f"{cost:.1f} s", "requests": f"{cost:,.0f}"}.get(name, f"{cost / 1e6:.0f} MB")
