"""Whole passes over a list by page number, for lists whose pages cannot be seen to join.

Why it cannot skip: the list is read again until as many different rows are known as a pass has positions. A row that
leaves during a pass makes that pass shorter than the one before or after it, and only passes of equal length count.
If rows never leave, the passes end as soon as as many rows are known as the last pass had positions, even if rows
enter.

Progress rule: `PageProgress` within a pass, and a bounded number of passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from itertools import count

from source_amocrm.walk.listing import Endless, Listing, Page, PageProgress, RawPage, Row, key
from source_amocrm.walk.worker_pool import WorkerPool

MOST_QUIET_PASSES = 8
"""How many passes in a row that bring nothing new are enough, if rows leave all the time or the list repeats some."""
MOST_PASSES = 60
MOST_AHEAD = 8
"""Pages under way or waiting in memory."""


def one_pass(listing: Listing, pool: WorkerPool | None = None) -> Iterator[RawPage]:
    """The pages from the first to the last; the longer the list is, the more of them are asked for ahead.

    Raises Endless and PageTooLarge.
    """
    progress = PageProgress(listing.path)
    hopeful = listing.retrying_empty(0)  # whether there is such a page is not known, so its emptiness is no surprise
    prefetched: deque[Future[RawPage]] = deque()
    asked, promised = 1, True
    try:
        for number in count(1):
            raw = _next_prefetched(prefetched) or (listing if promised else hopeful).ask({}, number)
            promised = raw.more
            if not progress.meet(raw):
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
    """The next page that was asked for ahead; None if no worker has begun to ask for it, or if it is empty."""
    asked = prefetched.popleft() if prefetched else None
    if asked is None or asked.cancel():
        return None
    raw = asked.result()
    return raw if raw.rows else None


def passes_until_complete(path: str, read: Callable[[], Iterable[RawPage]], lasting: bool = False) -> Iterator[RawPage]:
    """The pages of pass after pass, until no row can be missing. Raises Endless.

    `read` reads one pass, which shows a row as often as it was met. If there are more positions than different rows,
    the order changes between requests, and a row may have been missed. `lasting`: rows never leave the list.
    """
    seen: set[int | str] = set()
    present: set[int | str] = set()
    positions, quiet = -1, 0
    for _ in range(MOST_PASSES):
        met: set[int | str] = set()
        rows = 0
        for raw in read():
            met.update(map(key, raw.rows))
            rows += len(raw.rows)
            yield raw
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


def latest_versions(pages: Iterable[RawPage]) -> list[Row]:
    """Each row once, in the version that was seen last."""
    seen: dict[int | str, Row] = {}
    for raw in pages:
        seen.update((key(row), row) for row in raw.rows)
    return list(seen.values())


def first_versions(pages: Iterable[RawPage], delivered: Iterable[int | str] = ()) -> Iterator[Page]:
    """Each row once, in the version that was seen first, but those that were `delivered` before."""
    seen: set[int | str] = set(delivered)

    def of_first_versions(raw: RawPage) -> Page:
        fresh = {row_key: row for row in raw.rows if (row_key := key(row)) not in seen}
        seen.update(fresh)
        return Page(list(fresh.values()), answered=(raw.answered,))

    return map(of_first_versions, pages)
