"""A list as the reference tells of it: filter and order by a field, pages by number, rows that move meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal

import pytest

from source_amocrm.engine.delivery import Checkpoint, Delivery
from source_amocrm.engine.event_reading import keyset_either_way
from source_amocrm.http import Answer
from source_amocrm.walk.by_page_number import in_id_order
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.keyset import keyset
from source_amocrm.walk.listing import Listing, Page, Row, TiesShuffled, bounds
from source_amocrm.walk.server_order import ListTraits
from source_amocrm.walk.worker_pool import WorkerPool

Ties = Literal["asc", "desc", "any", "shuffled"]
NOW = 10_000
MOST_REQUESTS = 3_000
JOINING = 8
"""Rows of a page from which pages by number overlap everywhere."""
BUSY_REQUESTS = 300
"""Then people go home: pages of two rows cannot be read faster than rows are written."""


@dataclass
class FakeList:
    """`rows`: each id's second. What the documentation leaves open is drawn from `random`.

    `change` is called before each request; it may use `edit`, `delete`, `restore` and `add`.
    """

    rows: dict[int, int]
    random: Random
    limit: int = 4
    change: Callable[[FakeList], None] = lambda _: None
    cursor: str = "updated_at"
    own_order: bool | None = None
    """The list knows no `order`: the oldest first (True) or last (False)."""
    types: Literal["mixed", "sorted"] | None = None
    """The rows have types, and the list may be sorted by them first."""
    most: int | None = None
    """Rows that the server gives in a page at most, or `always`, whatever is asked."""
    always: bool = False
    hidden: int = 0
    """The rows up to this id have a place in the list, and are not shown."""
    always_next: bool = False
    """Every page says that there is a next one."""
    never_next: bool = False
    """No page says so."""
    false_ends: float = 0.0
    """The share of later pages that come empty the first time, though they are not."""
    now: int = NOW
    touched: set[int] = field(default_factory=set)
    gone: dict[int, int] = field(default_factory=dict)
    requests: int = 0

    def __post_init__(self) -> None:
        self.from_inclusive, self.to_inclusive = self.random.random() < 0.5, self.random.random() < 0.5
        self.next_on_full_last_page = self.random.random() < 0.3
        self.ties: Ties = self.random.choice(("asc", "desc", "any", "shuffled"))
        """The order of rows of one second: by id, one of its own, or another one at each request."""
        self._lied = False
        self._lock = threading.Lock()

    def listing(self, pool: WorkerPool | None = None) -> Listing:
        listing = Listing(self.fetch, "/api/v4/things", "things", self.limit, cursor=self.cursor, pool=pool)
        if self.own_order is None:
            return listing
        return replace(listing, own_order=True, other_orders=("entity_id", "type"))

    def fetch(self, path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:  # noqa: ARG002
        with self._lock:
            self.requests += 1
            assert self.requests < MOST_REQUESTS
            self.change(self)
            found = self._selected(params)
            limit = (
                params["limit"] if self.most is None or (params["limit"] < self.most and not self.always) else self.most
            )
            start = (params["page"] - 1) * limit
            shown = found[start : start + limit]
            false_end = params["page"] > 1 and not self._lied and self.random.random() < self.false_ends
            self._lied = false_end
            if not shown or false_end:
                return Answer(None, self.now)
            full = self.next_on_full_last_page and len(shown) == limit
            more = (len(found) > start + limit or full or self.always_next) and not self.never_next
            links = {"next": {"href": "https://example.amocrm.ru"}} if more else {}
            rows = [self._row(own, second) for second, own in shown if own > self.hidden]
            return Answer({"_links": links, "_embedded": {"things": rows}}, self.now)

    def _selected(self, params: Any) -> list[tuple[int, int]]:
        low = params.get(f"filter[{self.cursor}][from]", -1) + (not self.from_inclusive)
        high = params.get(f"filter[{self.cursor}][to]", 2**62) - (not self.to_inclusive)
        found = [(second, own) for own, second in self.rows.items() if low <= second <= high]
        ties = {own: self._tie(own) for own in self.rows}
        if "order[id]" in params:
            return sorted(found, key=lambda row: row[1])
        ascending = self.own_order if self.own_order is not None else params.get(f"order[{self.cursor}]") == "asc"

        def place(row: tuple[int, int]) -> tuple[int, int, float]:
            second, own = row
            return own % 3 if self.types == "sorted" else 0, second if ascending else -second, ties[own]

        return sorted(found, key=place)

    def _row(self, own: int, second: int) -> dict[str, int]:
        return {"id": own, self.cursor: second} | ({"type": own % 3} if self.types else {})

    def _tie(self, own: int) -> float:
        """By what a row is sorted within its second."""
        if self.ties == "shuffled":
            return self.random.random()
        return {"asc": own, "desc": -own, "any": own * 7919 % 10_007}[self.ties]

    def edit(self) -> None:
        if self.rows:
            own = self.random.choice(list(self.rows))
            self.rows[own] = self.now
            self.touched.add(own)

    def delete(self) -> None:
        if self.rows:
            own = self.random.choice(list(self.rows))
            self.gone[own] = self.rows.pop(own)
            self.touched.add(own)

    def restore(self) -> None:
        if self.gone:
            own = self.random.choice(list(self.gone))
            self.rows[own] = self.gone.pop(own)

    def add(self) -> None:
        own = max([*self.rows, *self.gone], default=0) + 1
        self.rows[own] = self.now
        self.touched.add(own)

    def add_old(self) -> None:
        """A row that is created with a date of long ago."""
        own = max([*self.rows, *self.gone], default=0) + 1
        self.rows[own] = self.random.choice(list(self.rows.values()) or [self.now])
        self.touched.add(own)


def restless(*verbs: str, share: float) -> Callable[[FakeList], None]:
    """Before some of the requests somebody does one of these; the clock goes on meanwhile."""

    def change(things: FakeList) -> None:
        things.now += things.random.choice((0, 0, 1, 2))
        if verbs and things.requests < BUSY_REQUESTS and things.random.random() < share:
            getattr(things, things.random.choice(verbs))()

    return change


def by_date(
    things: FakeList, interval: tuple[int, int], traits: ListTraits, ascending: bool, pool: WorkerPool | None
) -> Iterator[Page]:
    """The keyset walk, gone on with in the order of ids where ties come in any order."""
    listing = things.listing(pool)
    try:
        yield from keyset(listing, interval, traits, ascending)
    except TiesShuffled as shuffled:
        since = shuffled.since
        wide = replace(listing, limit=max(listing.limit, JOINING))
        for page in in_id_order(wide.narrowed(bounds(wide, since - 1, FOREVER))):
            yield Page(
                [
                    row
                    for row in page.rows
                    if since <= row["updated_at"] <= interval[1]
                    and not (row["updated_at"] == since and row["id"] in shuffled.delivered)
                ]
            )


def either_way(things: FakeList, interval: tuple[int, int], pool: WorkerPool | None) -> Iterator[Page]:
    """Rows that do not change, in an order that is not told; pages of a few rows are no proof against it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("source_amocrm.walk.server_order.ROWS_TO_PROVE", 1)
        yield from keyset_either_way(things.listing(pool), interval)


class Delivered:
    """What pages brought; each must have brought what it says is finished."""

    def __init__(self, things: FakeList) -> None:
        self.things = things
        self.at_first = dict(things.rows)
        self.versions: list[tuple[int, int]] = []

    def take(self, page: Page) -> None:
        self.versions += [(row["id"], row[self.things.cursor]) for row in page.rows]
        if page.completed:
            low, high = page.completed
            assert self.missing(low, high) == []

    def missing(self, low: int = 0, high: int = 2**62) -> list[int]:
        """The rows of these seconds that stayed what they were from the beginning, and did not come."""
        came = {own for own, _ in self.versions}
        return [
            own
            for own, second in self.at_first.items()
            if low <= second <= high and own not in self.things.touched and own not in came
        ]

    def twice(self) -> list[int]:
        """The untouched rows that came more than once."""
        own = [one for one, _ in self.versions if one not in self.things.touched]
        return sorted({one for one in own if own.count(one) > 1})


def delivered(stage: Delivery, batches: Iterable[Page]) -> Iterator[Row | None]:
    """Rows, and None for a checkpoint."""
    for one in batches:
        for item in stage.take(one):
            yield from [None] if isinstance(item, Checkpoint) else item
