"""Measures all tables of an account, also those without a cursor, which are read whole in every sync."""

from __future__ import annotations

from collections.abc import Iterator

from source_amocrm.streams import STREAMS

from .floor import FASTEST, PER_SECOND, fewest_pages
from .line import Line, Workspace, paced
from .measure import read, sandbox

EDITS = 100
KILLS = 10


def every_table(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """All tables: a first sync, and a second one after some edits."""
    leads = 2_000 if quick else 50_000
    account, path = workspace.account(leads)
    folder = workspace.folder / "tables"
    pages = fewest_pages(account, STREAMS)
    with sandbox(path, (0.3, 0.55), PER_SECOND) as server:
        run = read(server, STREAMS, folder)
        limit = 1.1 * pages / PER_SECOND + (3 if quick else 0)
        yield paced(f"{leads:,} leads, {len(STREAMS)} tables", run, pages, run.wall <= limit, limit)
        server.edit(EDITS)
        again = read(server, STREAMS, folder, again=True)
    whole = fewest_pages(account, [name for name, table in STREAMS.items() if not table.cursor_field]) - 1
    figures = {
        "requests": f"{again.requests}",
        "pages of the lists without a cursor": f"{whole}",
        "rows": f"{again.total:,}",
        "429": f"{again.refused}",
    }
    held = again.requests <= 1.15 * whole + 60 and again.refused == 0
    yield Line(f"{leads:,} leads, {len(STREAMS)} tables, second sync after {EDITS} edits", figures, held)


def killed(workspace: Workspace, quick: bool) -> Iterator[Line]:
    """All tables, killed and resumed KILLS times, compared with an unbroken sync."""
    leads = 2_000 if quick else 20_000
    account, path = workspace.account(leads)
    whole = fewest_pages(account, [name for name, table in STREAMS.items() if not table.cursor_field]) - 1
    with sandbox(path, (0.05, 0.1), FASTEST) as server:
        unbroken = read(server, STREAMS, workspace.folder / "unbroken", requests_per_second=FASTEST)
        folder, requests = workspace.folder / "killed", 0
        for kill in range(KILLS):
            part = unbroken.wall * (kill % 4 + 1) / 8
            run = read(server, STREAMS, folder, kill > 0, part, requests_per_second=FASTEST)
            requests += run.requests
        last = read(server, STREAMS, folder, again=True, requests_per_second=FASTEST)
    broken = requests + last.requests
    # every resumed sync reads the lists without a cursor whole
    most = 2 * unbroken.requests + KILLS * whole
    figures = {
        "requests": f"{broken} to {unbroken.requests} unbroken",
        "pages of the lists without a cursor": f"{whole}",
        "at most": f"{most}",
    }
    yield Line(f"{leads:,} leads, {len(STREAMS)} tables, killed {KILLS} times", figures, broken <= most)
