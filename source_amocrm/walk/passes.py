"""Whole passes over a list by page number, for lists whose pages cannot be seen to join.

Why it cannot skip: the pages are read again until as many rows are known as there are places. A row that leaves while a
pass is under way makes the pass shorter than the one before it or the one after it, and so does not count. Where rows
never leave, the passes are enough as soon as as many rows are known as the last one had places, also where rows enter.

Progress rule: `PageProgress` within a pass, and a bounded number of passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import count

from source_amocrm.walk.listing import Endless, Listing, PageProgress, RawPage, Row, key
from source_amocrm.walk.worker_pool import WorkerPool

MOST_QUIET_PASSES = 8
"""Enough where a pass never has as many rows as places: rows leave all the time, or the list repeats some."""
MOST_PASSES = 60
MOST_AHEAD = 8
"""Pages under way or waiting in memory."""

Rows = list[Row]


def one_pass(listing: Listing, pool: WorkerPool | None = None) -> Iterator[RawPage]:
    """The pages from the first to the last, the more of them asked for ahead the longer the list is.

    Raises Endless and PageTooLarge.
    """
    progress = PageProgress(listing.path)
    hopeful = listing.retrying_empty(0)  # whether there is such a page is not known, so its emptiness is no surprise
    prefetched: deque[Future[RawPage]] = deque()
    asked = 1
    try:
        for number in count(1):
            raw = _next_prefetched(prefetched) or listing.ask({}, number)
            progress.meet(raw)
            if not raw.more:
                yield raw
                return
            asked = max(asked, number)
            while pool and len(prefetched) < min(number, MOST_AHEAD) and pool.vacancies():
                asked += 1
                prefetched.append(pool.submit(partial(hopeful.ask, {}, asked)))
            yield raw
    finally:
        while prefetched:
            prefetched.pop().cancel()


def _next_prefetched(prefetched: deque[Future[RawPage]]) -> RawPage | None:
    """The next page that was asked for ahead; None where it was not, or is empty."""
    asked = prefetched.popleft() if prefetched else None
    if asked is None or asked.cancel():
        return None
    raw = asked.result()
    return raw if raw.rows else None


def passes_until_complete(path: str, read: Callable[[], Iterable[Rows]], lasting: bool = False) -> Iterator[Rows]:
    """The rows of pass after pass, in parts, until none can be missing. Raises Endless.

    `read` gives one pass, a row as often as it was met: where there are more places than rows, the order changes
    between requests and some row was behind another's back. `lasting`: rows never leave the list.
    """
    seen: set[int | str] = set()
    present: set[int | str] = set()
    positions, quiet = -1, 0
    for _ in range(MOST_PASSES):
        met: set[int | str] = set()
        rows = 0
        for part in read():
            met.update(map(key, part))
            rows += len(part)
            yield part
        quiet = 0 if met - seen else quiet + 1
        seen |= met
        if lasting:
            present = seen
        elif rows == positions:
            present = present | met
        if (lasting or rows == positions) and len(present) >= rows:
            return
        positions = rows
        if quiet >= MOST_QUIET_PASSES:
            return
    raise Endless(path)


def latest_versions(parts: Iterable[Rows]) -> Rows:
    """Each row once, in the version that was seen last."""
    seen: dict[int | str, Row] = {}
    for part in parts:
        seen.update((key(row), row) for row in part)
    return list(seen.values())


def first_versions(parts: Iterable[Rows]) -> Iterator[Rows]:
    """Each row once, in the version that was seen first."""
    seen: set[int | str] = set()
    for part in parts:
        fresh = {own: row for row in part if (own := key(row)) not in seen}
        seen.update(fresh)
        yield list(fresh.values())
