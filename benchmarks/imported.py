"""Difficult accounts: imported, edited by robots, behind an uneven network, without the filter, on Kommo."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .crowded import crowd, crowd_events, edit_in_masses, tie_events
from .floor import PER_SECOND, fewest_pages
from .line import Line, Workspace, paced
from .measure import ALL, Run, read, sandbox

LATENCY = 0.55
DENSITIES = (1, 50, 250, 300, None)
"""Numbers of leads with the same second; None: all leads."""
EVENTS_PER_SECOND = 300
JITTER = 0.04
"""Largest deviation of a request's arrival (seconds)."""


def dense(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """Deals alone, with several a second in the order of their ids, compared with one a second."""
    leads = 2_000 if quick else 10_000
    quiet: Run | None = None
    for per_second in DENSITIES:
        run, pages, live = _crowded(workspace, leads, per_second, "id_asc")
        quiet = quiet or run
        limit = 1.3 * quiet.wall
        exact = run.unique["deals"] == run.rows["deals"] == live
        held = run.wall <= limit and run.requests <= 1.15 * pages + 6 and run.refused == 0 and exact
        yield paced(f"{leads:,} deals, {_density(per_second)}", run, pages, held, limit)


def shuffled(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """Deals alone, whose order within a second changes at each request, compared with one page after another."""
    leads = 2_000 if quick else 10_000
    for per_second in DENSITIES[1:]:
        run, pages, live = _crowded(workspace, leads, per_second, "shuffled")
        limit = 1.1 * pages * LATENCY
        held = run.wall <= limit and run.refused == 0 and run.unique["deals"] == live
        yield paced(f"{leads:,} deals, {_density(per_second)}, in any order", run, pages, held, limit)


def masses(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """The fifteen tables, after robots have edited 250 to 900 rows at a time."""
    leads = 2_000 if quick else 5_000
    account, path = workspace.account(leads, "masses", edit_in_masses)
    pages = fewest_pages(account, ALL)
    with sandbox(path, (LATENCY, LATENCY), PER_SECOND) as server:
        run = read(server, ALL, workspace.folder / "masses")
    limit = 1.15 * pages / PER_SECOND + 5
    held = run.wall <= limit and run.requests <= 1.1 * pages and run.refused == 0
    yield paced(f"{leads:,} leads with mass edits, fifteen tables", run, pages, held, limit)


def tied(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """The fifteen tables, with 40 to 600 events in some seconds, in the order of their ids or in any order."""
    leads = 2_000 if quick else 5_000
    account, path = workspace.account(leads, "tied", tie_events)
    pages = fewest_pages(account, ALL)
    for ties in ("id_asc", "any"):
        with sandbox(path, (0.3, LATENCY), PER_SECOND, ties=ties) as server:
            run = read(server, ALL, workspace.folder / f"tied-{ties}")
        limit = 1.15 * pages / PER_SECOND + 5
        exact = run.unique["events"] == len(account.events)
        held = exact and run.wall <= limit and run.requests <= 1.1 * pages and run.refused == 0
        order = "in the order of ids" if ties == "id_asc" else "in any order"
        yield paced(f"{leads:,} leads, fifteen tables, 40 to 600 events of one second {order}", run, pages, held, limit)


def events(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """The events alone, 300 a second, as an import leaves them: each second fills three pages."""
    leads = 300 if quick else 1_500
    account, path = workspace.account(leads, "events", partial(crowd_events, per_second=EVENTS_PER_SECOND))
    pages = fewest_pages(account, ["events"])
    with sandbox(path, (0.3, LATENCY), PER_SECOND, ties="id_asc") as server:
        run = read(server, ["events"], workspace.folder / "events")
    limit = 2 * pages / PER_SECOND + 6
    held = run.unique["events"] == len(account.events) and run.wall <= limit and run.requests <= 1.25 * pages + 6
    yield paced(f"{len(account.events):,} events, {EVENTS_PER_SECOND} a second", run, pages, held, limit)


def kommo(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """The fifteen tables, with pages of 250 events."""
    leads = 2_000 if quick else 50_000
    account, path = workspace.account(leads)
    pages = fewest_pages(account, ALL, 250)
    with sandbox(path, (0.3, LATENCY), PER_SECOND, events_page_max=250) as server:
        run = read(server, ALL, workspace.folder / "kommo")
    limit = 1.1 * pages / PER_SECOND + (3 if quick else 0)
    yield paced(f"{leads:,} leads, fifteen tables, events by 250", run, pages, run.wall <= limit, limit)


def unfiltered(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """The fifteen tables without the paid filter."""
    leads = 2_000 if quick else 5_000
    account, path = workspace.account(leads)
    pages = fewest_pages(account, ALL)
    with sandbox(path, (LATENCY, LATENCY), PER_SECOND, filter_enabled=False) as server:
        run = read(server, ALL, workspace.folder / "unfiltered")
    limit = 1.15 * pages / PER_SECOND + 5
    yield paced(f"{leads:,} leads, fifteen tables, filter off", run, pages, run.wall <= limit, limit)


def uneven(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """A network in which requests arrive up to 40 ms early or late."""
    leads = 2_000 if quick else 10_000
    account, path = workspace.account(leads)
    pages = fewest_pages(account, ["deals"]) - 1
    for streams, latency in ((["deals"], (LATENCY, LATENCY)), (ALL, (LATENCY, LATENCY)), (ALL, (0.3, LATENCY))):
        pages = fewest_pages(account, streams) - (streams != ALL)
        with sandbox(path, latency, PER_SECOND, JITTER) as server:
            run = read(server, streams, workspace.folder / "uneven", deleted_rows="ignore")
        limit = 1.1 * pages / PER_SECOND + 2
        name = (
            f"{leads:,} leads, {len(streams)} tables, {latency[0]}–{latency[1]} s, {JITTER * 1000:.0f} ms early or late"
        )
        yield paced(name, run, pages, run.wall <= limit and run.refused == 0, limit)


def _crowded(workspace: Workspace, leads: int, per_second: int | None, ties: str) -> tuple[Run, int, int]:
    account, path = workspace.account(leads, f"crowd-{per_second}", partial(crowd, per_second=per_second))
    live = len(account.tables["leads"])
    pages = fewest_pages(account, ["deals"]) - 1
    with sandbox(path, (LATENCY, LATENCY), PER_SECOND, ties=ties) as server:
        run = read(server, ["deals"], workspace.folder / "crowd", deleted_rows="ignore")
    return run, pages, live


def _density(per_second: int | None) -> str:
    return f"{per_second} a second" if per_second else "all of one second"
