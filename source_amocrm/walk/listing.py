"""One page of one list: its parameters, its filter, its rows in whichever shape amoCRM sent them, and its next page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from airbyte_cdk.models import FailureType

from source_amocrm.dates import LAST_SECOND
from source_amocrm.errors import AmocrmError, json_kind
from source_amocrm.http import Answer, Fetch, Params
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.worker_pool import WorkerPool

Row = dict[str, Any]
Key = int | str

EMPTY_RETRIES = 2
"""How many times an empty response is retried before it counts as empty: amoCRM sometimes sends a 204 mid-list."""
SIZES = (125, 50, 25)
"""The page sizes (rows) to fall back to, largest first, when larger pages are too much for the server."""
FULL_PAGES = (50, 100, 250)
"""The page sizes (rows) that servers use instead of the requested one. A page of such a size counts as full."""
REMEMBERED_KEYS = 5_000
"""The most keys kept to dedupe rows. Beyond it the row order decides which row is a repeat; without a known order a
row may come twice, which is harmless: destinations upsert."""
MOST_ID_DIGITS = 18
LARGEST_ID = 2**63  # IDs from here on do not fit into an array of 8 bytes each


class FilterIgnored(Exception):
    """The server sent rows outside of the requested filter."""


class OrderIgnored(Exception):
    """The server sent rows in another order than requested, or pages that cannot be shown to join."""


@dataclass(eq=False)
class TiesShuffled(Exception):
    """Rows of one second come in another order each time, so the list cannot be read on in the order of its dates.

    `since`: that second; every row of an earlier second is delivered. `delivered`: the keys of its own delivered rows.
    """

    since: int
    delivered: Set[Key]


class MalformedList(AmocrmError):
    """The rows of a list contain something that is no object."""

    def __init__(self, collection: str, value: Any, where: str = "") -> None:
        super().__init__(
            f"amoCRM sent {json_kind(value)} instead of rows in the list “{collection}”{where}, so the list cannot be "
            "read beyond it. Run the sync again; if it repeats, report it to amoCRM support with the time of the sync."
        )


class NoList(AmocrmError):
    """The response is no list, and must not be taken for an empty one."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"amoCRM answered {path} with something that is no list. Run the sync again later; if it repeats, report "
            "it to amoCRM support with the address of the list.",
            failure_type=FailureType.transient_error,
        )


@dataclass(frozen=True, slots=True)
class RawPage:
    """One page as the server sent it.

    `more`: the server says that a next page exists, by a link or by its counts. `full`: the page has as many rows as a
    page can have, so the list may go on whatever the server says.
    """

    rows: list[Row]
    more: bool
    answered: Answer  # without its body
    full: bool = False

    @property
    def may_go_on(self) -> bool:
        return self.more or self.full

    @property
    def latest(self) -> int:
        """The last second of which the page may show a change, by the later clock."""
        return int(self.answered.latest)


@dataclass(frozen=True, slots=True)
class PageCheckpoint:
    """The position of a walk in ID order: the first `position` rows are delivered, up to the ID `after_id`."""

    position: int
    after_id: int


@dataclass(frozen=True, slots=True)
class Deletion:
    """An entity that left its list: when (`at`, Unix seconds), and `by` which user."""

    id: int
    at: int
    by: Any
    account_id: Any


@dataclass(frozen=True, slots=True)
class Page:
    """Rows to deliver, and the part of the list that is complete once they are delivered.

    `completed`: the interval of seconds whose rows are then all delivered; rows come in the order of time, up or down.
    `checkpoint`: the position of a walk in ID order, over the whole list or over the rows of one `second`. `answered`:
    the responses that the rows may have come in.

    The engine adds: `taken_since`: every stream takes rows dated `taken_since` or later, wanted or not: this walk has
    no date filter, or an event named the row. `walked`: the walk by page number has come to its end.
    `at_least`: by id, the second before which a row must not be dated, so that it wins over a tombstone of its entity.
    `by_id`: the rows are cards that events or other cards named, and each stream takes all of them. `read_at`: the
    moment of this reading, which no other page has.
    """

    rows: list[Row]
    completed: tuple[int, int] | None = None
    checkpoint: PageCheckpoint | None = None
    second: int | None = None
    answered: tuple[Answer, ...] = ()
    taken_since: int = FOREVER
    by_id: bool = False
    walked: bool = False
    at_least: Mapping[Any, int] = field(default_factory=dict)
    deletions: tuple[Deletion, ...] = ()
    read_at: str | None = None

    def without(self, unwanted: Callable[[Row], bool]) -> Page:
        return replace(self, rows=[row for row in self.rows if not unwanted(row)])


@dataclass(frozen=True)
class Listing:
    """A list of the API.

    `path` and `params` are part of every request; `collection` is the key of the rows in `_embedded`; `limit` the
    largest page (rows); `empty_retries` how many times an empty response is retried. `own_order`: no order is
    documented, so the server may list rows in an order of its own, and rows never change or leave (events).
    `other_orders`: the columns by which a server may order the rows instead. `ids`: the only rows that may come, where
    the list is filtered by ID. `pool` prefetches pages; None for one page at a time. `begun`: whether a row has come
    yet, in any thread; listings that are derived from one another share it. `kept` counts the memory of a list that is
    read whole.
    """

    fetch: Fetch
    path: str
    collection: str
    limit: int = 250
    params: Params = field(default_factory=dict)
    cursor: str = "updated_at"
    empty_retries: int = EMPTY_RETRIES
    own_order: bool = False
    other_orders: tuple[str, ...] = ("id", "created_at")
    ids: frozenset[int] | None = None
    pool: WorkerPool | None = None
    begun: threading.Event = field(default_factory=threading.Event, compare=False)

    def narrowed(self, params: Params) -> Listing:
        return replace(self, params={**self.params, **params})

    def of_ids(self, ids: Sequence[int]) -> Listing:
        return replace(self.narrowed({"filter[id][]": ids}), ids=frozenset(ids), pool=None)

    def retrying_empty(self, empty_retries: int) -> Listing:
        return replace(self, empty_retries=empty_retries)

    def second_of(self, row: Row) -> int | None:
        return seconds(row.get(self.cursor))

    def seconds_of(self, rows: Iterable[Row]) -> list[int]:
        """The seconds of the rows; rows without a date are left out."""
        return [second for row in rows if (second := self.second_of(row)) is not None]

    def ask(self, params: Params, page: int = 1, limit: int | None = None) -> RawPage:
        """Requests one page, and retries an empty response.

        Raises PageTooLarge when the server times out on the page and smaller pages are worth trying, and FilterIgnored
        when the list is filtered by ID and another row comes.
        """
        for _ in range(self.empty_retries):
            raw = self._ask(params, page, limit or self.limit)
            if raw.rows:
                return raw
        return self._ask(params, page, limit or self.limit)

    def _ask(self, params: Params, number: int, limit: int) -> RawPage:
        query = {**self.params, **params, "limit": limit, "page": number}
        answer = self.fetch(self.path, query, shrinkable=limit > SIZES[-1])
        body = answer.body or {}
        if answer.body is not None and not any(name.startswith("_") for name in body):
            raise NoList(self.path)
        rows = rows_of(body, self.collection)
        if rows:
            self.begun.set()
        # a smaller count means nothing: some lists count the rows of one page
        pages, items = body.get("_page_count"), body.get("_total_items")
        counted = isinstance(pages, int) and pages > number
        counted = counted or (isinstance(items, int) and items > (number - 1) * limit + len(rows))
        full = len(rows) in (limit, *FULL_PAGES)
        if self.ids is not None:
            if any(key(row) not in self.ids for row in rows):
                raise FilterIgnored
            full = full and len(rows) < len(self.ids)
        more = bool(rows) and (counted or bool(next_link(body)))
        return RawPage(rows, more, replace(answer, body=None), full)


def bounds(listing: Listing, low: int, high: int) -> dict[str, int | str]:
    """Builds the filter for the seconds `low` to `high`; leaves out a negative `low` and a `high` from FOREVER on."""
    params: dict[str, int | str] = {}
    if low >= 0:
        params[f"filter[{listing.cursor}][from]"] = low
    if high < FOREVER:
        params[f"filter[{listing.cursor}][to]"] = high
    return params


def check_filter(listing: Listing, rows: list[Row], low: int, high: int) -> list[int]:
    """Returns the seconds of the rows. Raises FilterIgnored if one lies outside of `low` to `high`, both included."""
    dated = listing.seconds_of(rows)
    if dated and not low <= min(dated) <= max(dated) <= high:
        raise FilterIgnored
    return dated


def seconds(value: Any) -> int | None:
    """Reads a timestamp of the API (Unix seconds). None for 0, past LAST_SECOND, and for any other value."""
    if type(value) is int:
        return value if 0 < value <= LAST_SECOND else None
    try:
        second = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return second if 0 < second <= LAST_SECOND else None


def key(row: Row) -> Key:
    """The key of a row in its list: its ID, whatever the list calls it."""
    if type(row_id := row.get("id")) is int:
        return row_id
    for name in ("id", "uid", "talk_id", "key", "uuid"):
        value = row.get(name)
        if isinstance(value, (int, str)):
            return value
    return repr(row.get("id"))


def compare(one: Any, other: Any) -> int:
    """1 if the first key is lower, -1 if it is higher, 0 if the two are equal or cannot be compared."""
    return (one < other) - (one > other) if isinstance(one, int) is isinstance(other, int) else 0


def add_keys(known: set[Key], keys: Iterable[Key]) -> bool:
    """Adds the keys. Returns whether one of them is new."""
    before = len(known)
    known.update(keys)
    return len(known) > before


def next_link(body: Mapping[str, Any]) -> Any:
    """The page's link to the next page; a value that counts as false on the last page."""
    links = body.get("_links")
    return links.get("next") if isinstance(links, dict) else None


def php_array(value: Any) -> Any:
    """The array that PHP wrote as `{"0": …, "1": …}`, or as its only element; any other value unchanged."""
    if isinstance(value, dict):
        return list(value.values()) if all(name.isdecimal() for name in value) else [value]
    return value


def rows_of(body: Mapping[str, Any], collection: str) -> list[Row]:
    """The rows of a page. An empty `_embedded` and a missing collection make none. Raises MalformedList."""
    embedded = body.get("_embedded")
    value = php_array(embedded.get(collection) if isinstance(embedded, dict) else None)
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedList(collection, value)
    for position, row in enumerate(value):
        if type(row) is not dict:
            before = value[position - 1] if position else None
            known = f", after the one with the id {before.get('id')}" if isinstance(before, dict) else ""
            raise MalformedList(collection, row, f" as number {position + 1} of a page{known}")
    return [with_numeric_id(row) for row in value]


def any_rows(body: Mapping[str, Any] | None) -> list[Row]:
    """The rows of a page, whatever its collection is called. Leaves out elements that are no objects."""
    embedded = (body or {}).get("_embedded")
    lists = [php_array(value) for value in embedded.values()] if isinstance(embedded, dict) else []
    return [row for rows in lists if isinstance(rows, list) for row in rows if type(row) is dict]


def numeric_id(value: Any) -> int | None:
    """Reads an ID as a number, even if it was sent as text. None if it is neither."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= MOST_ID_DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def with_numeric_id(row: Row) -> Row:
    """The row, with its ID as a number if it was sent as a text of digits."""
    sent = row.get("id")
    if type(sent) is str and (number := numeric_id(sent)) is not None:
        return {**row, "id": number}
    return row
