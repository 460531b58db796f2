"""How records become rows, with what they take from other lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pytest

from source_amocrm.account.resources import COMPANIES, EVENTS, LEADS, Resource
from source_amocrm.engine import delivery
from source_amocrm.engine.delivery import Checkpoint, Delivery, NewestFirst
from source_amocrm.engine.lookup import Resolver
from source_amocrm.engine.read_plan import Progress
from source_amocrm.engine.stream_interface import Context, Incremental, Lookup
from source_amocrm.errors import AmocrmError
from source_amocrm.walk import Deletion
from source_amocrm.walk.listing import Page, Row

NOW = 1_700_000_000


class Things(Incremental):
    """Rows with a name that stands in another list; a record without a size is broken."""

    name = "things"
    cursor_field = "updated_at"
    resources = (LEADS,)
    deletable = True
    lookup = Lookup("company_name", COMPANIES, lambda row: row["company"], lambda row: row)

    def wanted_extras(self) -> frozenset[str]:
        return frozenset()

    def context(self, resource: Resource) -> Context:
        return Context(resource.name)

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        if "broken" in record:
            raise AmocrmError("A thing is broken.")
        yield {"id": record["id"], "company": record.get("company"), "of": context.entity_type, "company_name": None}

    def read_records(self, *_: Any, **__: Any) -> Iterable[Any]:
        raise NotImplementedError

    def tombstone(self, deletion: Deletion, context: Context) -> Row:
        return {"id": deletion.id, "of": context.entity_type}


class Moves(Things):
    """Rows with the time of their event."""

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        for row in super().rows(record, context):
            yield row | {"created_at": record["created_at"]}


class Names:
    """In place of a resolver; 4 has no name."""

    def __init__(self) -> None:
        self.asked: list[set[int]] = []

    def values(self, ids: Iterable[int]) -> dict[int, str]:
        self.asked.append(set(ids))
        return {own: f"company {own}" for own in self.asked[-1] if own != 4}


def begun() -> Progress:
    progress = Progress("things", "updated_at", None, 0)
    progress.begin(["leads", "events"], NOW)
    return progress


def page_order(names: Names) -> Delivery:
    return Delivery(Things(), LEADS, begun(), cast(Resolver, names), lambda: NOW)


def made(delivery: Delivery, *pages: Page) -> list[Any]:
    """The id and the name of each row of each page."""
    items = [
        [row for item in delivery.take(page) if not isinstance(item, Checkpoint) for row in item] for page in pages
    ]
    return [[(row["id"], row["company_name"]) for row in rows] for rows in items]


def test_a_column_from_another_list_is_looked_up_once_for_each_page() -> None:
    names = Names()
    page = [{"id": 1, "company": 3}, {"id": 2}, {"id": 3, "company": 4}, {"id": 4, "company": 3}]
    assert made(page_order(names), Page(page), Page([])) == [
        [(1, "company 3"), (2, None), (3, None), (4, "company 3")],
        [],
    ]
    assert names.asked == [{3, 4}, set()]


def test_where_the_newest_rows_come_first_only_the_newest_takes_the_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "ROWS_BETWEEN_STATES", 2)
    names = Names()
    events = [{"id": own, "company": 3 if own < 4 else 5, "created_at": NOW - own} for own in range(1, 5)]
    pages = Page(events[:2], (NOW - 2, NOW)), Page(events[2:], (0, NOW - 3))
    newest_first = NewestFirst(Things(), EVENTS, begun(), cast(Resolver, names), lambda: NOW, NOW, lambda *_: [])
    assert made(newest_first, *pages) == [[(1, "company 3"), (2, None)], [(3, None), (4, "company 5")]]
    assert names.asked == [{3}, {5}]


def test_a_newer_row_that_comes_late_takes_the_column_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list in no order looked as if it had one."""
    monkeypatch.setattr(delivery, "ROWS_BETWEEN_STATES", 1)
    names = Names()
    old, new, oldest = ({"id": own, "company": 3, "created_at": NOW - at} for own, at in enumerate((2, 1, 3), 1))
    newest_first = NewestFirst(Moves(), EVENTS, begun(), cast(Resolver, names), lambda: NOW, NOW, lambda *_: [])
    came = made(newest_first, Page([old], (0, NOW)), Page([new]), Page([oldest]))
    assert came == [[(1, "company 3")], [(2, "company 3")], [(3, None)]]


def test_rows_before_a_broken_record_are_delivered() -> None:
    records = [{"id": 1, "company": 3}, {"id": 2, "broken": True}, {"id": 3}]
    rows = page_order(Names()).take(Page(records))
    assert next(rows) == [{"id": 1, "company": 3, "of": "leads", "company_name": "company 3"}]
    with pytest.raises(AmocrmError, match="broken"):
        next(rows)


def test_a_tombstone_knows_its_list() -> None:
    gone = Page([], deletions=(Deletion(7, 1, 2, 3),))
    assert list(page_order(Names()).take(gone)) == [[{"id": 7, "of": "leads"}]]
