"""The scenarios: each yields the lines of its table."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import ceil

from .answers import answers
from .beside_bare import beside_floor
from .fat import fatten
from .floor import EVENTS, FASTEST, PER_SECOND, UNBOUND, fewest_pages
from .forecast import forecasts
from .growth import growth
from .habits import habits
from .imported import dense, events, kommo, masses, shuffled, tied, uneven, unfiltered
from .line import Line, Scenario, Workspace, paced
from .loading import loaded
from .measure import ALL, Run, read, sandbox
from .memory import memory
from .publishing import published
from .rest import every_table, killed
from .verified import verified
from .year import year

EDITS = 100
FAT = 3_000
"""Size of a lead in `own_cost` (bytes)."""


def deals_alone(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """10,000 leads at 550 ms a page and seven requests a second, without and with all their deletions."""
    leads = 2_000 if quick else 10_090  # 90 of them are in the trash
    account, path = workspace.account(leads)
    live, gone = len(account.tables["leads"]), sum(event.type == "lead_deleted" for event in account.events)
    deletions = ceil(gone / EVENTS) + 1  # in the events and in the trash
    for deleted_rows, more, of in (("ignore", 0, ""), ("mark", deletions, f" and {gone} deletions")):
        pages = fewest_pages(account, ["deals"]) - 1 + more
        with sandbox(path, (0.55, 0.55), PER_SECOND) as server:
            run = read(server, ["deals"], workspace.folder / "deals", deleted_rows=deleted_rows)
        limit = 7.5 + more / PER_SECOND
        held = (quick or run.wall <= limit) and run.refused == 0 and run.unique["deals"] >= live
        yield paced(f"{live:,} deals{of} alone, 550 ms", run, pages, held, limit)


def everything(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """All streams of a small and of a large account, 300 to 550 ms a page."""
    for leads, factor in ((300, 1.5), (2_000 if quick else 50_000, 1.1)):
        account, path = workspace.account(leads)
        pages = fewest_pages(account, ALL)
        with sandbox(path, (0.3, 0.55), PER_SECOND) as server:
            run = read(server, ALL, workspace.folder / f"all-{leads}")
        limit = factor * pages / PER_SECOND + 3
        held = run.wall <= limit and run.refused == 0 and (leads < 50_000 or run.requests <= 1.05 * pages)
        yield paced(f"{leads:,} leads, all streams, 300–550 ms", run, pages, held, limit)


def own_cost(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """CPU and memory without latency, at the largest rate that the settings allow."""
    sizes = (2_000, 8_000) if quick else (50_000, 200_000)
    for leads in sizes:
        account, path = workspace.account(leads, "fat", partial(fatten, size=FAT))
        with sandbox(path) as server:
            run = read(server, ["deals"], workspace.folder / f"cost-{leads}", **UNBOUND)
            speed = run.total / run.cpu
            fair = quick or (speed >= 8_000 and run.memory <= 150e6)
            yield _cost(f"{leads:,} leads of 3 KB, deals", run, fewest_pages(account, ["deals"]), fair)
            if leads == sizes[0]:
                both = ["deals", "custom_fields_deals"]
                run = read(server, both, workspace.folder / "cost-both", **UNBOUND)
                pages = fewest_pages(account, both)
                yield _cost(f"{leads:,} leads of 3 KB, deals and their fields", run, pages, run.repeated == 0)


def changed(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """The second sync of all streams, after 100 edits."""
    for leads in (300, 2_000) if quick else (5_000, 50_000, 200_000):
        _, path = workspace.account(leads)
        folder = workspace.folder / f"changed-{leads}"
        with sandbox(path) as server:
            read(server, ALL, folder, requests_per_second=FASTEST)
            server.edit(EDITS)
            run = read(server, ALL, folder, again=True, requests_per_second=FASTEST)
        figures = {"requests": f"{run.requests}", "rows": f"{run.total:,}", "429": f"{run.refused}"}
        yield Line(f"{leads:,} leads, second sync after {EDITS} edits", figures, run.requests <= 60)


def _cost(name: str, run: Run, pages: int, held: bool) -> Line:
    figures = {
        "rows": f"{run.total:,} of {run.row_bytes / 1000:.1f} KB",
        "CPU": f"{run.cpu:.1f} s",
        "rows per CPU second": f"{run.total / run.cpu:,.0f}",
        "wall": f"{run.wall:.1f} s",
        "peak memory": f"{run.memory / 1e6:.0f} MB",
        "requests": f"{run.requests} for {pages} pages, {run.repeated} repeated",
    }
    return Line(name, figures, held)


SCENARIOS: dict[str, Scenario] = {
    "deals": deals_alone,
    "cost": own_cost,
    "floor": beside_floor,
    "changed": changed,
    "dense": dense,
    "events": events,
    "shuffled": shuffled,
    "masses": masses,
    "tied": tied,
    "uneven": uneven,
    "unfiltered": unfiltered,
    "tables": every_table,
    "killed": killed,
    "kommo": kommo,
    "sync": loaded,
    "memory": memory,
    "verify": verified,
    "models": answers,
    "habits": habits,
    "publish": published,
    "forecast": forecasts,
    "growth": growth,
    "year": year,
    "all": everything,
}
