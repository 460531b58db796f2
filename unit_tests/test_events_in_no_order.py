"""Events from a server that lists them in no order, while others come in, by clocks that show what has not come yet."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from source_amocrm.account.account import Account
from source_amocrm.account.clocks import TOLERANCE
from source_amocrm.account.resources import EVENTS
from source_amocrm.engine import event_reading
from source_amocrm.engine.delivery import NewestFirst
from source_amocrm.engine.event_reading import MOST_PAGES_BETWEEN, in_no_order
from source_amocrm.engine.read_plan import Progress
from source_amocrm.http import Answer
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.listing import Listing, Page
from testing.fake_list import delivered

NOW = 1_000_000
HOURS = 26 * 3_600
LIMIT = 20
MOST_REQUESTS = 250
"""The account has 300 events: a pass over them takes 15."""


class Events:
    """Each event's second by its id. Before every request `written` events come in, and the clock may go on."""

    def __init__(self, random: Random, seconds: list[int], written: int = 0) -> None:
        self.random = random
        self.rows = dict(enumerate(seconds, 1))
        self.written = written
        self.now = NOW
        self.requests = 0
        self.edges = random.random() < 0.5, random.random() < 0.5
        self.listing = Listing(self.fetch, EVENTS.path, "events", LIMIT, cursor="created_at", own_order=True)

    def fetch(self, path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:  # noqa: ARG002
        self.requests += 1
        assert self.requests < MOST_REQUESTS
        self.now += self.random.choice((0, 0, 1))
        for _ in range(self.written):
            self.rows[len(self.rows) + 1] = self.now
        low = params.get("filter[created_at][from]", -1) + (not self.edges[0])
        high = params.get("filter[created_at][to]", 2**62) - (not self.edges[1])
        found = [(second, own) for own, second in self.rows.items() if low <= second <= high]
        self.random.shuffle(found)
        start = (params["page"] - 1) * params["limit"]
        shown = [{"id": own, "created_at": second} for second, own in found[start : start + params["limit"]]]
        links = {"next": {"href": "more"}} if len(found) > start + params["limit"] else {}
        body = {"_links": links, "_embedded": {"events": shown}} if shown else None
        return Answer(body, self.now)

    def account(self, passed: int) -> Account:
        """What the reading knows of it: a time that had passed when the sync began."""
        return cast(Account, SimpleNamespace(facts=lambda: SimpleNamespace(passed=passed), pool=None))

    def between(self, low: int, high: int) -> set[int]:
        return {own for own, second in self.rows.items() if low <= second <= high}


@pytest.mark.parametrize("ahead", [0, 7_200, HOURS])
@pytest.mark.parametrize("behind", [0, 3, TOLERANCE, HOURS])
@pytest.mark.parametrize("written", [0, 1, 3])
def test_events_that_come_in_meanwhile_neither_prolong_the_reading_nor_are_they_covered(
    ahead: int, behind: int, written: int
) -> None:
    """The machine's clock is `ahead` of amoCRM's or `behind` it: where the two disagree, the earlier one counts."""
    for seed in range(3):
        random = Random(seed)
        before = [NOW - random.choice((1, 2, 60, 86_000)) for _ in range(300)]
        events = Events(random, before, written)
        since, started, until = NOW - 90_000, NOW - 1 - behind, NOW - 1 + ahead
        end = until if ahead + behind <= TOLERANCE else started
        there = events.between(since, end)
        pages = [*in_no_order(events.account(end), events.listing, since, until)]
        for page in pages:
            assert [row["created_at"] for row in page.rows] == sorted(row["created_at"] for row in page.rows)
        assert [page.completed for page in pages] == [None] * (end < until) + [(since, end)] * (since <= end)
        came = [row["id"] for page in pages for row in page.rows]
        assert len(came) == len(set(came))
        assert set(came) <= events.between(since, until)
        own = {row["id"] for page in pages if page.completed for row in page.rows}
        assert own == there
        events.now += HOURS
        events.fetch(EVENTS.path, {"page": 1, "limit": 1})
        assert events.between(since, end) <= own


@pytest.mark.parametrize("written", [0, 1, 3])
@pytest.mark.parametrize("most", [30, 100])
def test_many_events_come_in_stretches_of_time_that_fit_in_memory(
    monkeypatch: pytest.MonkeyPatch, most: int, written: int
) -> None:
    monkeypatch.setattr(event_reading, "MOST_IN_NO_ORDER", most)
    for seed in range(3):
        random = Random(seed)
        before = [NOW - random.choice((1, 60, random.randint(1, 86_000))) for _ in range(300)]
        events = Events(random, before, written)
        there = events.between(NOW - 90_000, NOW - 1)
        pages = [*in_no_order(events.account(NOW - 1), events.listing, NOW - 90_000, NOW - 1)]
        assert sorted(row["id"] for page in pages for row in page.rows) == sorted(there)
        stretches = [page.completed or (0, 0) for page in reversed(pages)]
        assert (stretches[0][0], stretches[-1][1]) == (NOW - 90_000, NOW - 1)
        assert all(one[1] + 1 == other[0] for one, other in pairwise(stretches))
        assert all(len(page.rows) <= most or len({row["created_at"] for row in page.rows}) == 1 for page in pages)
        assert len(pages) > 2


def test_where_the_filter_is_ignored_the_list_is_not_read_once_for_each_stretch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_reading, "MOST_IN_NO_ORDER", 2 * LIMIT)
    events = Events(Random(1), [NOW - own for own in range(1, 101)])
    honest = events.fetch

    def fetch(path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:
        return honest(path, {"page": params["page"], "limit": params["limit"]}, shrinkable=shrinkable)

    listing = replace(events.listing, fetch=fetch)
    [page] = in_no_order(events.account(NOW - 1), listing, NOW - 60, NOW - 1)
    assert [row["id"] for row in page.rows] == [*range(60, 0, -1)]


def test_events_between_the_two_clocks_come_and_are_not_covered() -> None:
    events = Events(Random(1), [NOW - own for own in range(1, LIMIT + 1)])
    later, complete = in_no_order(events.account(NOW - 11), events.listing, NOW - 15, NOW - 1)
    assert [row["id"] for row in complete.rows] == [15, 14, 13, 12, 11]
    assert [row["id"] for row in later.rows] == [*range(10, 0, -1)]
    assert (complete.completed, later.completed) == ((NOW - 15, NOW - 11), None)


def test_of_too_many_events_between_the_two_clocks_some_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_reading, "MOST_IN_NO_ORDER", LIMIT)
    events = Events(Random(1), [NOW - own for own in range(1, 101)])
    [page] = in_no_order(events.account(NOW - 101), events.listing, NOW - 100, NOW - 1)
    assert LIMIT < len(page.rows) <= 2 * LIMIT
    assert (page.completed, events.requests) == (None, 2)


def test_a_reading_between_the_two_clocks_ends_though_events_come_in_faster_than_it_reads() -> None:
    events = Events(Random(1), [NOW - 1] * 5, written=3 * LIMIT)
    later, complete = in_no_order(events.account(NOW - 1), events.listing, NOW - 60, NOW + HOURS)
    assert (len(complete.rows), events.requests) == (5, 1 + MOST_PAGES_BETWEEN)
    assert LIMIT < len(later.rows) <= LIMIT * MOST_PAGES_BETWEEN


def test_a_window_that_has_not_passed_is_not_covered() -> None:
    events = Events(Random(1), [NOW - 1] * 5)
    assert [*in_no_order(events.account(NOW - 1), events.listing, NOW + 60, NOW + HOURS)] == [Page([])]
    assert events.requests == 1


def test_where_both_clocks_agree_one_request_is_enough() -> None:
    events = Events(Random(1), [NOW - 1] * 5)
    [page] = in_no_order(events.account(NOW - 1), events.listing, NOW - 60, NOW - 1)
    assert (len(page.rows), page.completed, events.requests) == (5, (NOW - 60, NOW - 1), 1)


def test_only_what_is_kept_of_an_event_stays_in_memory() -> None:
    events = Events(Random(1), [NOW - 2, NOW - 3])
    [page] = in_no_order(
        events.account(NOW - 1),
        events.listing,
        NOW - 60,
        NOW - 1,
        lambda row: {name: row[name] for name in ("id", "created_at")},
    )
    assert [sorted(row) for row in page.rows] == [["created_at", "id"]] * 2


def test_rows_held_back_for_newer_ones_come_when_the_reading_has_ended() -> None:
    """By the later clock the reading goes on until `NOW + HOURS`; it has covered what there is."""
    progress = Progress("deal_statuses", "created_at", None, 0)
    progress.begin(["events"], NOW - 1)
    nothing = {"context": lambda _: None, "prepare": lambda *_: (), "kinds": (), "lookup": None, "deletable": False}
    stream: Any = SimpleNamespace(rows=lambda event, _: [event], **nothing)
    newest_first = NewestFirst(stream, EVENTS, progress, None, lambda: NOW, NOW + HOURS, lambda *_: [])
    rows = [{"id": own, "created_at": NOW - own} for own in range(5)]
    came = list(delivered(newest_first, [Page(rows, (0, NOW - 1)), Page([], (0, FOREVER))]))
    assert [row for row in came if row] == rows
    assert not progress.pending["events"].seconds
