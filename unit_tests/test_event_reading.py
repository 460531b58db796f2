"""The reading of events: their pages come as batches, whatever the order in which the server lists them."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from source_amocrm.account.account import Account
from source_amocrm.account.events_page_size import EventsPageSize
from source_amocrm.engine.event_reading import EventReading, events_between
from source_amocrm.engine.read_plan import ReadPlan
from source_amocrm.http import Answer
from source_amocrm.walk import server_order
from source_amocrm.walk.intervals import FOREVER, IntervalSet
from testing.fake_list import FakeList

START, END = 1_000, 9_000
ROWS = {own: START + 20 * own for own in range(1, 401)}


def account_with(things: FakeList) -> Account:
    def get(path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:
        answer = things.fetch(path, params, shrinkable=shrinkable)
        if answer.body is None:
            return answer
        events = answer.body["_embedded"]["things"]
        return Answer({**answer.body, "_embedded": {"events": events}}, things.now)

    facts = SimpleNamespace(until=END)
    return cast(
        Account, SimpleNamespace(get=get, facts=lambda: facts, events_page_size=EventsPageSize(10, 4), pool=None)
    )


def read(things: FakeList, plan: ReadPlan, newest_first: bool) -> list[list[int]]:
    """The ids of each page that has rows."""
    reading = EventReading(account_with(things), plan, newest_first=newest_first)
    return [[row["id"] for row in page.rows] for page in reading.pages() if page.rows]


def plan(*intervals: tuple[int, int]) -> ReadPlan:
    return ReadPlan(IntervalSet(intervals))


@pytest.mark.parametrize("ascending", [True, False])
@pytest.mark.parametrize("newest_first", [True, False])
def test_every_needed_event_up_to_the_start_of_the_sync_comes(ascending: bool, newest_first: bool) -> None:
    things = FakeList({**ROWS, 999: END + 1}, Random(7), limit=10, cursor="created_at", own_order=ascending)
    needed = plan((0, START + 99), (START + 2_000, FOREVER))
    came = [own for batch in read(things, needed, newest_first) for own in batch]
    [*_, last] = EventReading(account_with(things), needed, newest_first=newest_first).pages()
    assert last.completed == (0, FOREVER), "at the end nothing is waited for"
    assert sorted(came) == [own for own, second in ROWS.items() if second <= START + 99 or second >= START + 2_000]


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize(("ascending", "second"), [(True, START), (False, END)])
def test_a_crowded_second_at_the_edge_of_the_interval_comes(
    ascending: bool, second: int, newest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its events fill the first page, which therefore tells no order."""
    monkeypatch.setattr(server_order, "ROWS_TO_PROVE", 1)
    rows = dict.fromkeys(range(1001, 1061), second) | {own: at for own, at in ROWS.items() if START < at < END}
    things = FakeList(rows, Random(7), limit=25, cursor="created_at", own_order=ascending)
    came = [own for batch in read(things, plan((START, END)), newest_first) for own in batch]
    assert sorted(came) == sorted(rows)


def test_no_event_comes_twice_if_the_list_turns_out_to_be_in_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first page is in order, the second is not."""
    things = FakeList(ROWS, Random(7), limit=10, cursor="created_at", own_order=True)
    account = account_with(things)
    get = account.get

    def muddled(path: str, params: Any = None, *, shrinkable: bool = False) -> Answer:
        answer = get(path, params, shrinkable=shrinkable)
        if answer.body and things.requests > 3:
            answer.body["_embedded"]["events"].reverse()
        return answer

    monkeypatch.setattr(account, "get", muddled)
    account.facts().passed = END  # type: ignore[misc]
    came = [row["id"] for page in EventReading(account, plan((0, FOREVER))).pages() for row in page.rows]
    assert sorted(came) == [*ROWS]


def test_where_the_server_lists_the_oldest_events_first_the_newest_stretches_of_time_come_first() -> None:
    things = FakeList(ROWS, Random(7), limit=10, cursor="created_at", own_order=True)
    stretches: list[list[int]] = [[]]
    for batch in read(things, plan((0, FOREVER)), newest_first=True):
        if stretches[-1] and batch[0] < stretches[-1][-1]:
            stretches.append([])
        stretches[-1] += batch
    assert len(stretches) > 2
    assert [sorted(stretch) for stretch in stretches] == stretches
    assert [own for stretch in reversed(stretches) for own in stretch] == list(ROWS)


@pytest.mark.parametrize("ascending", [True, False])
def test_only_what_is_kept_of_an_event_stays_in_memory(ascending: bool) -> None:
    things = FakeList(ROWS, Random(7), limit=10, cursor="created_at", own_order=ascending)
    kept = list(events_between(account_with(things), ["born"], START, keep=lambda event: {"id": event["id"]}))
    assert sorted(row["id"] for row in kept) == list(ROWS)
    assert {*map(len, kept)} == {1}
