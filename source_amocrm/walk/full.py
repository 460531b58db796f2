"""Reads a list whole, whatever its order is: a dictionary of the account, or the last resort of another walk.

`full` reads the list once, in windows that overlap (see `page_windows`). Why it cannot skip: a page is one snapshot,
and each page begins with a row of the page before, so no row lies between the two. In the order of IDs that is enough,
for IDs never change. In another order every page must also begin with the row that was last seen at that position, for
then no row has moved across it.

`in_passes` reads the list again and again, for lists whose pages cannot be shown to join. Why it cannot skip: it ends
when it knows as many different rows as a pass has positions. A row that leaves during a pass makes that pass shorter
than the one before or after it, and only passes of equal length count. If rows never leave, the walk ends as soon as it
knows as many rows as the last pass had positions, even if rows enter.

Progress rule: `PageProgress`; each window reaches farther than the one before or is a step back; passes are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise

from source_amocrm.walk.listing import Key, Listing, OrderIgnored, Page, RawPage, Row, add_keys, compare, key
from source_amocrm.walk.page_size import with_smaller_pages
from source_amocrm.walk.page_windows import PagePlan, WindowPlan
from source_amocrm.walk.progress_rule import MOST_KEPT, Endless, PageProgress, TooLong

MOST_QUIET_PASSES = 8
"""How many passes in a row without a new row are enough, if rows leave all the time or the list repeats some."""
MOST_PASSES = 60  # How many passes `in_passes` makes before it raises Endless


def full(listing: Listing) -> list[Row]:
    """Every row of the list, each once. Raises PageTooLarge, TooLong and Endless."""
    return _WholeList(listing).rows()


def in_passes(listing: Listing, lasting: bool = False) -> Iterator[RawPage]:
    """Yields pages with every row of the list, a row as often as it is met. `lasting`: rows never leave the list."""
    return with_smaller_pages(listing, lambda some: passes_until_complete(some.path, partial(one_pass, some), lasting))


class _WholeList:
    """One reading of a list in windows that overlap, or in passes if the windows cannot be shown to join."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._plan = WindowPlan(listing, share=2)
        self._rows: dict[Key, Row] = {}  # Each row once, in the version that was seen last
        self._keys: list[Key] = []  # The key that was last seen at each position
        self._moved = False  # Whether a page did not show the rows that were last seen at its positions
        self._orders = {1, -1}  # The orders of IDs (1 ascending, -1 descending) that no page has contradicted

    def rows(self) -> list[Row]:
        """Every row of the list, each once. Raises PageTooLarge, TooLong and Endless."""
        page = self._plan.ask()
        if not page.may_go_on:
            return page.rows
        try:
            while not self._is_whole_again(page):
                self._take(page)
                if not self._plan.more:
                    if self._moved and not self._orders:
                        raise OrderIgnored
                    break
                page = self._plan.ask()
        except OrderIgnored:
            for raw in in_passes(self._listing):
                self._keep(raw)
        finally:
            self._plan.drop()
        return list(self._rows.values())

    def _is_whole_again(self, page: RawPage) -> bool:
        """Whether the server ignores page numbers and has sent the whole list again."""
        keys = [key(row) for row in page.rows]
        return self._plan.window.start > 0 and not page.more and len(keys) > 1 and keys == self._keys[: len(keys)]

    def _take(self, page: RawPage) -> None:
        """Keeps a page that joins the rows read, or steps back. Raises OrderIgnored if the windows cannot join."""
        keys, start = [key(row) for row in page.rows], self._plan.window.start
        if start and not (keys and keys[0] in self._rows):
            self._plan.step_back(page)
            self._moved = True
            return
        shared = self._keys[start : start + len(keys)]
        self._moved = self._moved or keys[: len(shared)] != shared
        self._orders = {step for step in self._orders if all(compare(*pair) == step for pair in pairwise(keys))}
        if start and not self._goes_on(page, keys):
            self._moved, self._orders = True, set()
        self._keys[start : start + len(keys)] = keys
        self._plan.advance(page, self._keep(page))

    def _goes_on(self, page: RawPage, keys: list[Key]) -> bool:
        """Whether the page's first row is unchanged, and the last row of the list so far is on the page or behind it.

        If not, these rows themselves may have moved to the end of the list.
        """
        unchanged = _fields(page.rows[0]) == _fields(self._rows[keys[0]])
        return unchanged and (len(keys) == self._plan.window.limit or self._keys[-1] in keys)

    def _keep(self, raw: RawPage) -> bool:
        """Keeps the rows of a page. Returns whether one of them is new. Raises TooLong past MOST_KEPT."""
        before = len(self._rows)
        self._rows.update((key(row), row) for row in raw.rows)
        if len(self._rows) > MOST_KEPT:
            self._rows.clear()  # at once: the traceback of the failure refers to them
            raise TooLong(self._listing.path, MOST_KEPT)
        return len(self._rows) > before


def _fields(row: Row) -> Row:
    """The row's own fields, without `_links`, which name the page that the row came on."""
    return {name: value for name, value in row.items() if not name.startswith("_")}


def one_pass(listing: Listing, number: int = 1) -> Iterator[RawPage]:
    """Yields the pages from `number` to the last, and prefetches more of them the longer the list is.

    Raises Endless and PageTooLarge.
    """
    progress = PageProgress(listing.path)
    not_retrying = listing.retrying_empty(0)  # for pages that the server has not promised
    plan, pool = PagePlan[int](listing), listing.pool
    goes_on = promised = True
    try:
        while goes_on:
            raw = plan.take() or (listing if promised else not_retrying).ask({}, number)
            promised, goes_on = raw.more, progress.meet(raw)
            while goes_on and pool and len(plan.requests) < number and pool.may_go_ahead(len(plan.requests)):
                if plan.end_in_sight:
                    break
                ahead = number + len(plan.requests) + 1
                plan.requests.append((ahead, pool.submit(partial(not_retrying.ask, {}, ahead))))
            yield raw
            number += 1
    finally:
        plan.drop()


def passes_until_complete(path: str, read: Callable[[], Iterable[RawPage]], lasting: bool = False) -> Iterator[RawPage]:
    """Yields the pages of pass after pass, until no row can be missing. Raises Endless.

    `read` reads one pass, which shows a row as often as it was met. If there are more positions than different rows,
    the order changes between requests, and a row may have been missed. `lasting`: rows never leave the list.
    """
    seen, present = set[Key](), set[Key]()
    positions, quiet = -1, 0
    for _ in range(MOST_PASSES):
        met, rows, fresh = set[Key](), 0, False
        for raw in read():
            keys = [key(row) for row in raw.rows]
            fresh = add_keys(seen, keys) or fresh
            met.update(keys)
            rows += len(keys)
            yield raw
        if rows == positions:
            present |= met
        if len(seen) >= rows if lasting else len(present) >= rows == positions:
            return
        positions, quiet = rows, 0 if fresh else quiet + 1
        if quiet >= MOST_QUIET_PASSES:
            return
    raise Endless(path)


def latest_versions(pages: Iterable[RawPage]) -> list[Row]:
    """Each row once, in the version that was seen last."""
    return list({key(row): row for raw in pages for row in raw.rows}.values())


def first_versions(pages: Iterable[RawPage], seen: set[Key]) -> Iterator[Page]:
    """Yields each row once, in the version that was seen first, without the rows whose keys were `seen`."""
    for raw in pages:
        fresh = {row_key: row for row in raw.rows if (row_key := key(row)) not in seen}
        seen.update(fresh)
        yield Page(list(fresh.values()), answered=(raw.answered,))
