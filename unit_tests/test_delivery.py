"""Batches of a list in, rows of one stream out, a checkpoint after each part, and what is pending then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from source_amocrm.account.resources import EVENTS, LEADS, Resource
from source_amocrm.engine import delivery
from source_amocrm.engine.delivery import Delivery, NewestFirst
from source_amocrm.engine.lookup import Resolver
from source_amocrm.engine.read_plan import Progress, ReadPlan
from source_amocrm.engine.stream_interface import Context, Incremental, Lookup
from source_amocrm.http import Answer
from source_amocrm.walk import Deletion
from source_amocrm.walk.intervals import IntervalSet
from source_amocrm.walk.listing import Page, PageCheckpoint, Row
from testing.fake_list import delivered

NOW = 1_700_000_000


class Things(Incremental):
    name = "things"
    cursor_field = "updated_at"
    resources = (LEADS,)
    kinds = ("born",)
    deletable = True

    def wanted_extras(self) -> frozenset[str]:
        return frozenset()

    def context(self, resource: Resource) -> Context:
        return Context(resource.name)

    def rows(self, record: Row, context: Context) -> Iterable[Row]:  # noqa: ARG002
        yield record

    def read_records(self, *_: Any, **__: Any) -> Iterable[Any]:
        raise NotImplementedError

    def tombstone(self, deletion: Deletion, context: Context) -> Row:  # noqa: ARG002
        return {"id": deletion.id, "updated_at": deletion.at, "is_deleted": True}


def begun(start: int | None = None, watermark: int | None = None) -> Progress:
    """A sync that started at NOW."""
    progress = Progress("things", "updated_at", start, 0, watermark)
    progress.begin(["leads", EVENTS.name], NOW)
    return progress


def page_order(progress: Progress, resource: Resource = LEADS, now: int = NOW) -> Delivery:
    return Delivery(cast(Incremental, Things()), resource, progress, None, lambda: now)


def nothing_between(low: int, high: int) -> list[Row]:
    return pytest.fail(f"nothing needs what is between {low} and {high}")


def in_page_order(progress: Progress, *batches: Page) -> list[Any]:
    return list(delivered(page_order(progress, now=NOW + 60), batches))


class Losses(Things):
    """Each row is filled with what its thing is lost for now, if no newer row of that thing was."""

    kinds = ("lost",)
    lookup = Lookup("reason", LEADS, key=lambda row: row["thing"] if row["type"] == "lost" else None, value=id)

    def rows(self, record: Row, context: Context) -> Iterable[Row]:  # noqa: ARG002
        yield dict(record)


def lost(thing: int, second: int) -> Row:
    return {"id": f"{thing} {second}", "type": "lost", "thing": thing, "created_at": second}


def lead(own: int, second: int) -> Row:
    return {"id": own, "updated_at": second}


def batch(*rows: Row, completed: tuple[int, int] | None = None, **told: Any) -> Page:
    return Page(list(rows), completed, **told)


def test_a_row_that_the_stream_does_not_need_comes_only_from_the_floor_on() -> None:
    old, new = lead(1, NOW - 9), lead(2, NOW - 1)
    assert in_page_order(begun(watermark=NOW - 5), batch(old, new)) == [new]
    assert in_page_order(begun(watermark=NOW - 5), batch(old, new, taken_since=NOW - 9)) == [old, new]


def test_a_page_that_is_older_than_one_before_it_brings_no_earlier_version() -> None:
    rows = lead(1, NOW + 5), lead(1, NOW + 3), lead(1, NOW + 7)
    assert in_page_order(begun(), *map(batch, rows)) == [rows[0], rows[2]]


def test_a_row_of_a_time_that_has_not_come_comes_and_so_does_its_next_version() -> None:
    rows = lead(1, NOW + 90), lead(1, NOW + 1)
    assert list(delivered(page_order(begun()), map(batch, rows))) == [*rows]


def test_a_restored_row_is_dated_no_earlier_than_its_tombstone_and_a_state_with_the_date_comes_first() -> None:
    progress, sent = begun(), lead(1, NOW - 90)
    [told, row] = in_page_order(progress, batch(sent, taken_since=0, at_least={1: NOW - 7}))
    assert (told, row) == (None, lead(1, NOW - 7))
    assert sent == lead(1, NOW - 90), "what was given is not changed"
    assert {own: tuple(version) for own, version in progress.postdated.items()} == {"leads/1": (NOW - 7, NOW - 90)}


@pytest.mark.parametrize(("drifts", "postdated"), [([0], {3}), ([-600], {1, 2, 3}), ([600], {3}), ([0, -1], {2, 3})])
def test_rows_dated_later_than_they_were_read_are_known_by_the_earliest_clock(
    drifts: list[int], postdated: set[int]
) -> None:
    progress, rows = begun(), [lead(1, NOW - 1), lead(2, NOW), lead(3, NOW + 1)]
    answered = tuple(Answer(None, NOW, drift) for drift in drifts)
    assert in_page_order(progress, Page(rows, answered=answered)) == [None, *rows]
    assert progress.postdated.keys() == {f"leads/{own}" for own in postdated}


def test_rows_without_an_answer_are_never_postdated() -> None:
    assert in_page_order(begun(), batch(lead(3, NOW + 1))) == [lead(3, NOW + 1)]


def test_events_are_never_postdated() -> None:
    progress, told = begun(), Page([event("a", NOW)], answered=(Answer(None, NOW - 8),))
    assert list(delivered(page_order(progress, EVENTS), [told])) == told.rows
    assert not progress.postdated


def test_a_tombstone_comes_unless_its_row_has_come_since() -> None:
    gone = Deletion(1, NOW + 1, 7, 1), Deletion(2, NOW + 1, 7, 1)
    came = in_page_order(begun(), batch(lead(1, NOW + 2)), batch(deletions=gone))
    assert came == [lead(1, NOW + 2), {"id": 2, "updated_at": NOW + 1, "is_deleted": True}]


def test_a_state_within_a_page_comes_between_two_rows_of_different_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "ROWS_BETWEEN_STATES", 2)
    progress = begun(start=NOW - 9)
    rows = [lead(1, NOW - 9), lead(2, NOW - 8), lead(3, NOW - 8), lead(4, NOW - 7)]
    whole = batch(*rows, completed=(NOW - 9, NOW))
    stage = delivered(page_order(progress), [whole])
    came = [next(stage) for _ in range(4)]
    assert came == [*rows[:3], None]  # not between two rows of one second
    assert progress.pending["leads"].seconds == IntervalSet(((NOW - 7, NOW),))
    assert list(stage) == [rows[3]]
    assert not progress.pending["leads"].seconds


class Several(Things):
    """A record has as many rows as it says."""

    def rows(self, record: Row, context: Context) -> Iterable[Row]:  # noqa: ARG002
        return [record] * record["rows"]


def test_until_a_state_is_due_a_record_counts_by_its_rows_and_one_without_rows_counts_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "ROWS_BETWEEN_STATES", 3)
    rows = [{**lead(own, NOW - 9 + own), "rows": many} for own, many in enumerate((0, 2, 0, 0, 0, 1))]
    stage = Delivery(cast(Incremental, Several()), LEADS, begun(start=NOW - 9), None, lambda: NOW)
    came = list(delivered(stage, [batch(*rows, completed=(NOW - 9, NOW))]))
    assert came == [rows[1], rows[1], None, None, rows[5]]


def test_a_state_within_a_page_of_a_walk_by_page_number_names_its_last_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "ROWS_BETWEEN_STATES", 1)
    progress = begun()
    rows = [lead(1, NOW - 5), lead(2, NOW - 9), {"id": None, "updated_at": NOW - 9}]
    page = Page(rows, checkpoint=PageCheckpoint(240, 2))
    stage = delivered(page_order(progress), [replace(page, taken_since=0)])
    assert [next(stage), next(stage)] == [lead(1, NOW - 5), None]
    walk = progress.pending["leads"].resume
    assert walk is not None
    assert walk.checkpoint == PageCheckpoint(239, 1)


def event(own: str, second: int, kind: str = "born") -> Row:
    return {"id": own, "type": kind, "created_at": second}


def test_events_come_from_the_newest_on_whatever_the_order_of_their_pages() -> None:
    progress, undated = begun(start=NOW - 9), {"id": "e", "type": "born"}
    stage = NewestFirst(cast(Incremental, Things()), EVENTS, progress, None, lambda: NOW, NOW, nothing_between)
    pages = [
        Page([event("a", NOW - 9), event("b", NOW - 5)], (NOW - 9, NOW - 5)),
        Page([event("c", NOW - 4), event("x", NOW - 3, "died"), undated]),
        Page([event("d", NOW)], (NOW - 4, NOW)),
    ]
    came = list(delivered(stage, (page for page in pages)))
    assert came == [event("d", NOW), event("c", NOW - 4), event("b", NOW - 5), event("a", NOW - 9), undated]
    assert not progress.pending[EVENTS.name].seconds


def test_events_are_held_back_while_newer_ones_may_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "ROWS_BETWEEN_STATES", 1)
    progress = begun(start=NOW - 9)
    stage = NewestFirst(cast(Incremental, Things()), EVENTS, progress, None, lambda: NOW, NOW, nothing_between)
    pages = [
        Page([event("a", NOW - 9)], (NOW - 9, NOW - 5)),
        Page([event("c", NOW)], (NOW - 2, NOW)),
        Page([event("b", NOW - 3)], (NOW - 4, NOW - 3)),
    ]
    stages = delivered(stage, (page for page in pages))
    assert [next(stages), next(stages)] == [event("c", NOW), None]
    assert progress.pending[EVENTS.name].seconds == IntervalSet(((NOW - 9, NOW - 3),))
    assert list(stages) == [event("b", NOW - 3), None, event("a", NOW - 9), None]


@pytest.mark.parametrize("lost_in_between", [[], [1], [2], [1, 2]])
def test_events_of_a_gap_count_as_newer_than_the_rows_before_it(lost_in_between: list[int]) -> None:
    """That sync was killed when it had delivered from NOW - 60 on; what came after NOW - 50 is new."""
    progress = Progress("things", "updated_at", None, 0, NOW - 50)
    rest = IntervalSet(((0, NOW - 61),))
    progress.pending[EVENTS.name] = ReadPlan(rest, None, NOW - 50, NOW - 50)
    progress.begin(["leads", EVENTS.name], NOW)
    asked: list[tuple[int, int]] = []

    def between(low: int, high: int) -> list[Row]:
        asked.append((low, high))
        return [lost(thing, NOW - 55) for thing in lost_in_between]

    reasons = SimpleNamespace(values=lambda things: {thing: f"reason {thing}" for thing in things})
    losses = cast(Incremental, Losses())
    stage = NewestFirst(losses, EVENTS, progress, cast(Resolver, reasons), lambda: NOW, NOW, between)
    rows = [
        lost(3, NOW - 40),
        lost(1, NOW - 45),
        lost(3, NOW - 70),
        lost(2, NOW - 80),
        lost(1, NOW - 90),
        lost(2, NOW - 91),
    ]
    came = [row for row in delivered(stage, [Page(rows, (0, NOW))]) if row]
    filled = [(row["thing"], NOW - row["created_at"]) for row in came if "reason" in row]
    assert filled == [(3, 40), (1, 45)] + ([] if 2 in lost_in_between else [(2, 80)])
    assert asked == [(NOW - 60, NOW - 51)]


def test_a_gap_is_not_read_if_no_row_before_it_has_a_lookup_key() -> None:
    progress = Progress("things", "updated_at", None, 0, NOW - 50)
    progress.pending[EVENTS.name] = ReadPlan(IntervalSet(((0, NOW - 61),)), None, NOW - 50, NOW - 50)
    progress.begin(["leads", EVENTS.name], NOW)
    losses, reasons = cast(Incremental, Losses()), cast(Resolver, SimpleNamespace(values=lambda _: {}))
    losses.kinds = ("won",)
    stage = NewestFirst(losses, EVENTS, progress, reasons, lambda: NOW, NOW, nothing_between)
    won = {"id": "a", "type": "won", "thing": 1, "created_at": NOW - 70}
    assert [row for row in delivered(stage, [Page([won], (0, NOW))]) if row] == [won]
