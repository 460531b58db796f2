"""A year of days, one after the other: what each costs must grow with the account alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date

from testing.year import DAY, Day, Year, at

from .line import Line, Workspace

BEGIN, DAYS, QUICK = at("2027-11-02T08:00"), 400, 8
LEADS = 800
MOST = 1.3
"""How much more CPU and memory the last tenth of the days may take, in shares of the database's growth."""


def year(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """Each day: sync of all, models, page, picture, workbook, digests and verify; on the first of a month publish."""
    days = QUICK if quick else DAYS
    first = at("2027-12-15T18:00")
    folder = workspace.folder / "year"
    folder.mkdir()
    kept: list[tuple[float, int, int]] = []
    with ExitStack() as stack:
        played = Year(folder, stack, BEGIN, first, first + (days + 1) * DAY, LEADS)
        for number in range(days):
            moment = first + number * DAY
            day = Day(f"{date.fromtimestamp(moment)}")
            played.go_to(moment)
            for verb in (played.sync, played.report, played.digest, played.verify):
                verb(day)
            if day.month not in played.published:
                played.publish(day)
            for path in folder.glob(f"{day.name}.*"):
                path.unlink()
            bad = [verb for verb, done in day.said.items() if done.returncode != (1 if verb == "sync south" else 0)]
            size = (folder / "crm.duckdb").stat().st_size
            kept.append((sum(day.cpu.values()), max(day.memory.values()), size))
            if bad or number % 20 == 0:
                figures = {
                    "CPU": f"{kept[-1][0]:.1f} s",
                    "memory": f"{kept[-1][1] / 1e6:.0f} MB",
                    "database": f"{size / 1e6:.1f} MB",
                    "deals": f"{len(played.nord.server.account.tables['leads']):,}",
                    "failed": ", ".join(bad) or "nothing",
                }
                yield Line(f"day {number + 1}, {day.name}", figures, not bad)
    tenth = max(days // 10, 1)
    cpu, memory, larger = (
        sum(day[of] for day in kept[-tenth:]) / sum(day[of] for day in kept[1 : tenth + 1]) for of in range(3)
    )
    held = quick or (cpu <= MOST * larger and memory <= MOST * larger)
    shown = {"CPU": f"× {cpu:.2f}", "memory": f"× {memory:.2f}", "database": f"× {larger:.2f}"}
    yield Line(f"the last {tenth} days beside the first", shown, held)
