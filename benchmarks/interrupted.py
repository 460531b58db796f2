"""`python -m benchmarks.interrupted`: a first sync of a large account, killed three times, compared with the account.

It takes an hour, so `python -m benchmarks` leaves it out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from sandbox.account import Account
from testing import comparison, postgres
from testing.warehouse import stored

from .floor import FASTEST, fewest_pages
from .line import Line, Workspace
from .measure import ALL, COMMAND, run, sandbox

KILLS = 3
PROJECT = "1001"


def interrupted(workspace: Workspace, leads: int, seconds: float, kinds: list[str]) -> Iterator[Line]:
    """Syncs into each kind of database. `seconds`: time until each kill."""
    account, path = workspace.account(leads)
    for kind in kinds:
        folder = (workspace.folder / f"interrupted-{kind}").resolve()
        folder.mkdir(exist_ok=True)
        file = folder / "crm.duckdb"
        file.unlink(missing_ok=True)
        with ExitStack() as stack:
            to = stack.enter_context(postgres.server()) if kind == "PostgreSQL" else f"duckdb:///{file}"
            config = folder / "config.json"
            config.touch(mode=0o600)
            with sandbox(path) as server:
                config.write_text(json.dumps({**server.config, "requests_per_second": FASTEST}), encoding="utf-8")
                command = [str(COMMAND), "sync", "--config", str(config), "--project", PROJECT, "--to", to]
                command += ["--streams", ",".join(ALL)]
                runs = [
                    run(command, folder, folder / f"sync-{number}.txt", seconds if number < KILLS else None)
                    for number in range(KILLS + 1)
                ]
                requests = len(server.log())
            different = differences(account, to if kind == "PostgreSQL" else str(file))
        figures = {
            "killed": f"{sum(one.status < 0 for one in runs)} times",
            "wall": f"{sum(one.wall for one in runs):.0f} s",
            "CPU": f"{sum(one.cpu for one in runs):.0f} s",
            "peak memory": f"{max(one.memory for one in runs) / 1e6:.0f} MB",
            "requests": f"{requests} for {fewest_pages(account, ALL)} pages",
            "differences": f"{len(different)}" + "".join(f"\n      {one}" for one in different[:10]),
        }
        yield Line(f"{leads:,} leads, fifteen tables into {kind}, killed", figures, not different)


def differences(account: Account, database: str) -> list[str]:
    """Returns the differences between the tables and the account, table by table, so that two are in memory at once."""
    found = []
    for name in ALL:
        card = [comparison.PARTS[name][0]] if name in comparison.PARTS else []
        found += comparison.problems(account, stored(database, PROJECT, [name, *card]), streams=[name], forgets=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interrupted", description=__doc__)
    parser.add_argument("--leads", type=int, default=200_000, help="deals of the account")
    parser.add_argument("--seconds", type=float, default=90, help="time until each kill")
    parser.add_argument("--keep", type=Path, help="the folder to keep the account and the outputs in")
    parser.add_argument("kinds", nargs="*", default=["DuckDB", "PostgreSQL"], help="DuckDB, PostgreSQL; default: both")
    options = parser.parse_args()
    held = True
    with tempfile.TemporaryDirectory(prefix="amocrm-bench-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        for line in interrupted(Workspace(folder), options.leads, options.seconds, options.kinds):
            figures = "   ".join(f"{figure}: {value}" for figure, value in line.figures.items())
            print(f"{'ok  ' if line.held else 'MISS'}  {line.name}\n      {figures}", flush=True)
            held &= line.held
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
