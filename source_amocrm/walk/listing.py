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
from source_amocrm.walk.embedded import next_link, rows_of

Row = dict[str, Any]

EMPTY_RETRIES = 2
"""How many times an empty answer is asked for again: amoCRM sometimes sends a 204 in the middle of a list."""
SIZES = (125, 50, 25)
"""The smaller page sizes, for when larger pages are too much for the server."""


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
    """One page as the server gave it. `more`: the server says that there is a next page.

    `size`: the bytes of memory that it takes at the most, which count as long as the walk refers to it.
    """

    rows: list[Row]
    more: bool
    answered: Answered
    size: int = 0

    def __post_init__(self) -> None:
        memory.hold(self.size)

    def __del__(self) -> None:
        memory.release(self.size)

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
    pages in turn, is given up on.
    """

    MOST_BARREN = 100
    MOST_REPEATS = 3

    def __init__(self, path: str) -> None:
        self._path = path
        self._met: set[int | str] = set()
        self._previous: list[int | str] = []
        self._barren = self._repeats = 0

    def meet(self, raw: RawPage, fresh: bool | None = None) -> None:
        """Counts a page. `fresh`: it brings a new row; None to find that out by the keys. Raises Endless."""
        ids = [key(row) for row in raw.rows]
        if fresh is None:
            fresh = not self._met.issuperset(ids)
            self._met.update(ids)
        self._repeats = self._repeats + 1 if ids == self._previous else 0
        self._barren = 0 if fresh else self._barren + 1
        self._previous = ids
        if raw.more and (self._repeats >= self.MOST_REPEATS or self._barren >= self.MOST_BARREN):
            raise Endless(self._path)


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
        raw = raw_page(answer, self.collection)
        if self.ids is not None and any(row.get("id") not in self.ids for row in raw.rows):
            raise FilterIgnored
        return raw


def each_page(listing: Listing, first: int = 1) -> Iterator[RawPage]:
    """The pages from number `first` to the last, as they come. Raises Endless."""
    progress = PageProgress(listing.path)
    for number in count(first):
        raw = listing.ask({}, number)
        progress.meet(raw)
        yield raw
        if not raw.more:
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


def raw_page(answer: Answer, collection: str) -> RawPage:
    """The page of a HAL answer; a 204, an empty `_embedded` and a missing collection all make an empty page."""
    body = answer.body or {}
    rows = rows_of(body, collection)
    answered = Answered(answer.sent_at, answer.server_time, answer.drift, answer.tick)
    return RawPage(rows, bool(rows and next_link(body)), answered, answer.size)
