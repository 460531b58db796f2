"""One list of the API, asked page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, pairwise
from typing import Any

from airbyte_cdk.models import FailureType

from source_amocrm.dates import LAST_SECOND
from source_amocrm.errors import AmocrmError
from source_amocrm.http import memory
from source_amocrm.http.answer import Answer, Fetch, Params
from source_amocrm.walk.embedded import counts_more, next_link, rows_of

Row = dict[str, Any]

EMPTY_RETRIES = 2
"""How many times an empty answer is asked for again: amoCRM sometimes sends a 204 in the middle of a list."""
SIZES = (125, 50, 25)
"""The smaller page sizes, for when larger pages are too much for the server."""
FULL_PAGES = (50, 100, 250)
"""The sizes that servers give pages of when they do not give what was asked for."""
MOST_ROWS = 5_000_000
"""The most rows that a walk by page number, or the reading of one second, takes for a list that ends."""


class FilterIgnored(Exception):
    """The server sent rows outside of what the filter asked."""


class OrderIgnored(Exception):
    """The server sent rows in another order than was asked for, or pages that cannot be seen to join."""


class Endless(AmocrmError):
    """The server promises a next page without end, or repeats a page."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"amoCRM's list {path} promises a next page again and again without a new row in it, so it cannot be read "
            "to its end. Run the sync again later; if it repeats, report it to amoCRM support with the address of the "
            "list."
        )


class TooLong(AmocrmError):
    """The list has more rows than any account's, so that it may have no end."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"amoCRM's list {path} goes on after {MOST_ROWS:,} rows, or after more than the memory can hold, and is "
            "read no further. Report it to amoCRM support with the address of the list."
        )


class NoList(AmocrmError):
    """The server answered with something that is no list, which must not be taken for an empty list."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"amoCRM answered {path} with something that is no list. Run the sync again later; if it repeats, report "
            "it to amoCRM support with the address of the list.",
            failure_type=FailureType.transient_error,
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """When a page was asked for and answered.

    `sent_at` and `server_time`: Unix seconds by the server's clock; the request left no earlier than `sent_at`, and the
    answer was made at `server_time`. `drift`: by how many seconds this machine's clock is ahead of the server's; 0
    while the two agree. `tick`: the monotonic clock, in seconds, after the answer came.
    """

    sent_at: float
    server_time: float
    drift: int = 0
    tick: float = 0.0

    @property
    def earliest(self) -> float:
        """When the answer was made, by the earlier of the two clocks: this moment has passed."""
        return self.server_time + min(0, self.drift)

    @property
    def latest(self) -> float:
        """When the answer was made, by the later of the two clocks: no row of the page was changed after it."""
        return self.server_time + max(0, self.drift)


@dataclass(frozen=True, slots=True)
class RawPage:
    """One page as the server gave it.

    `more`: the server says that there is a next page, by a link or by its counts. `full`: the page has as many rows as
    a page can have, so that the list may go on whatever the server says. `size`: the bytes of memory that the page
    takes at the most, which count as long as the walk refers to it.
    """

    rows: list[Row]
    more: bool
    answered: Answered
    full: bool = False
    size: int = 0

    def __post_init__(self) -> None:
        memory.hold(self.size)

    def __del__(self) -> None:
        memory.release(self.size)

    @property
    def may_go_on(self) -> bool:
        return self.more or self.full

    @property
    def latest(self) -> int:
        """No row of the page was changed after this second."""
        return int(self.answered.latest)


@dataclass(frozen=True, slots=True)
class PageCheckpoint:
    """How far a walk by page number has come: the first `position` rows are delivered, up to the id `after_id`."""

    position: int
    after_id: int


@dataclass(frozen=True, slots=True)
class Page:
    """Rows to deliver, and what is finished once they are delivered.

    `completed`: the seconds of the cursor field of which every row is then delivered; the rows are in their order, up
    or down. `checkpoint`: how far a walk by page number has come, over the whole list or over the rows of one `second`.
    """

    rows: list[Row]
    completed: tuple[int, int] | None = None
    checkpoint: PageCheckpoint | None = None
    second: int | None = None
    answered: tuple[Answered, ...] = ()
    """When the rows were asked for and answered: several answers where it is not known which row came in which."""


class PageProgress:
    """The progress rule of walks by page number: at least one page in MOST_BARREN must bring a row that was not met.

    A robot's mass edit may push many pages of rows that were met in between. A server that repeats one page, or a few
    pages in turn, is given up on, and so is one that has more rows than MOST_ROWS.
    """

    MOST_BARREN = 100
    MOST_REPEATS = 3

    def __init__(self, path: str) -> None:
        self._path = path
        self._met: set[int | str] = set()
        self._previous: list[int | str] = []
        self._barren = self._repeats = self._rows = 0

    def meet(self, raw: RawPage, fresh: bool | None = None) -> bool:
        """Counts a page, and says whether the page after it is to be asked for.

        After a full page that names no next one, the next one is asked for, for the list may have been cut there. A
        server that gives the same page instead has no more.

        `fresh`: it brings a new row; None to find that out by the keys. Raises Endless and TooLong.
        """
        ids = [key(row) for row in raw.rows]
        if fresh is None:
            fresh = not self._met.issuperset(ids)
            self._met.update(ids)
        # a walk may have asked for pages of two sizes, of which the server gives the beginning
        sizes = len(ids), len(self._previous)
        shared = max(sizes) if raw.more else min(sizes)
        self._repeats = self._repeats + 1 if shared and ids[:shared] == self._previous[:shared] else 0
        self._barren = 0 if fresh else self._barren + 1
        self._previous = ids
        self._rows += len(ids)
        if self._rows > MOST_ROWS:
            raise TooLong(self._path)
        if self._repeats < self.MOST_REPEATS and self._barren < self.MOST_BARREN:
            return raw.may_go_on
        if raw.more:
            raise Endless(self._path)
        return False


def seconds(value: Any) -> int | None:
    """A timestamp of the API as Unix seconds; None for 0 and for what is no timestamp."""
    try:
        second = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return second if 0 < second <= LAST_SECOND else None


def key(row: Row) -> int | str:
    """The key of a row in its list: its id, whatever the list calls it."""
    for name in ("id", "uid", "talk_id", "key", "uuid"):
        value = row.get(name)
        if isinstance(value, (int, str)):
            return value
    return repr(row.get("id"))


@dataclass(frozen=True)
class Listing:
    """A list of the API.

    `path` and `params` are what is always asked; `collection` is the key of the rows in `_embedded`; `limit` the
    largest page; `empty_retries` how many times an empty answer is asked again before it is believed.
    """

    fetch: Fetch
    path: str
    collection: str
    limit: int = 250
    params: Params = field(default_factory=dict)
    cursor: str = "updated_at"
    empty_retries: int = EMPTY_RETRIES
    ordered: bool = True
    """Whether `order[…]` parameters may be sent."""
    own_order: bool = False
    """Whether no order is documented, so that the server may list the rows in its own, whatever is asked (events)."""
    other_orders: tuple[str, ...] = ("id", "created_at")
    """The columns by which a server may order the rows instead."""
    ids: frozenset[int] | None = None
    """The only rows that may come, where the list is filtered by id."""

    def narrowed(self, params: Params) -> Listing:
        return replace(self, params={**self.params, **params})

    def of_ids(self, ids: Sequence[int]) -> Listing:
        """The list filtered by id."""
        return replace(self.narrowed({"filter[id][]": ids}), ids=frozenset(ids))

    def retrying_empty(self, empty_retries: int) -> Listing:
        return replace(self, empty_retries=empty_retries)

    def second_of(self, row: Row) -> int | None:
        return seconds(row.get(self.cursor))

    def ask(self, params: Params, page: int = 1, limit: int | None = None) -> RawPage:
        """One page; an empty one is asked again before it is believed.

        Raises PageTooLarge when the server times out on it and smaller pages are worth trying, and FilterIgnored when
        the list is filtered by id and another row comes.
        """
        for _ in range(self.empty_retries):
            raw = self._ask(params, page, limit or self.limit)
            if raw.rows:
                return raw
        return self._ask(params, page, limit or self.limit)

    def _ask(self, params: Params, page: int, limit: int) -> RawPage:
        asked = {**self.params, **params, "limit": limit, "page": page}
        answer = self.fetch(self.path, asked, shrinkable=limit > SIZES[-1])
        if answer.body is not None and not any(name.startswith("_") for name in answer.body):
            raise NoList(self.path)
        raw = raw_page(answer, self.collection, page, limit)
        if self.ids is None:
            return raw
        if any(row.get("id") not in self.ids for row in raw.rows):
            raise FilterIgnored
        return replace(raw, full=raw.full and len(raw.rows) < len(self.ids))


def each_page(listing: Listing, first: int = 1) -> Iterator[RawPage]:
    """The pages from number `first` to the last, as they come. Raises Endless."""
    progress, promised = PageProgress(listing.path), True
    for number in count(first):
        raw = (listing if promised else listing.retrying_empty(0)).ask({}, number)
        promised, goes_on = raw.more, progress.meet(raw)
        yield raw
        if not goes_on:
            return


def ids_in_order(rows: list[Row]) -> list[int]:
    """The ids of a page that was asked for in ascending order of ids. Raises OrderIgnored if it is not."""
    ids = [row_id for row in rows if isinstance(row_id := row.get("id"), int)]
    if len(ids) < len(rows) or any(one >= other for one, other in pairwise(ids)):
        raise OrderIgnored
    return ids


def smaller(limit: int) -> int | None:
    """The next smaller page size; None below the smallest."""
    return next((size for size in SIZES if size < limit), None)


def raw_page(answer: Answer, collection: str, number: int = 1, limit: int = 0) -> RawPage:
    """Page `number` of a HAL answer that was asked for with `limit` rows; a 204, an empty `_embedded` and a missing
    collection all make an empty page."""
    body = answer.body or {}
    rows = rows_of(body, collection)
    answered = Answered(answer.sent_at, answer.server_time, answer.drift, answer.tick)
    more = bool(rows) and (bool(next_link(body)) or counts_more(body, number, (number - 1) * limit + len(rows)))
    return RawPage(rows, more, answered, len(rows) in (limit, *FULL_PAGES), answer.size)
