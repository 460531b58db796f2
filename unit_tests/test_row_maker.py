"""How records become rows, with what they take from other lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pytest

from source_amocrm.account.resources import COMPANIES, LEADS, Resource
from source_amocrm.errors import AmocrmError
from source_amocrm.sync.declaration import Context, Deletion, Incremental, Lookup
from source_amocrm.sync.delivery import RowMaker
from source_amocrm.sync.lookup import Resolver
from source_amocrm.walk.listing import Row


class Things(Incremental):
    """Rows with a name that stands in another list; a record without a size is broken."""

    name = "things"
    cursor_field = "updated_at"
    resources = (LEADS,)
    deletable = True
    lookups = {"company_name": Lookup(COMPANIES, key=lambda row: row["company"], value=lambda company: company)}

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


class Losses(Things):
    """Only the first row with a company takes its name."""

    lookups = {"company_name": Lookup(COMPANIES, key=lambda row: row["company"], value=lambda row: row, once=True)}


class Names:
    """In place of a resolver; 4 has no name."""

    def __init__(self) -> None:
        self.asked: list[set[int]] = []

    def of(self, ids: Iterable[int]) -> dict[int, str]:
        self.asked.append(set(ids))
        return {own: f"company {own}" for own in self.asked[-1] if own != 4}


def made(stream: Incremental, names: Names, *pages: list[Row]) -> list[Any]:
    maker = RowMaker(stream, LEADS, lambda _: cast(Resolver, names))
    return [[(row["id"], row["company_name"]) for rows in maker.rows(page) for row in rows] for page in pages]


def test_a_column_from_another_list_is_asked_for_a_page_at_once() -> None:
    names = Names()
    page = [{"id": 1, "company": 3}, {"id": 2}, {"id": 3, "company": 4}, {"id": 4, "company": 3}]
    assert made(Things(), names, page, []) == [[(1, "company 3"), (2, None), (3, None), (4, "company 3")], []]
    assert names.asked == [{3, 4}, set()]


def test_only_the_first_row_of_a_sync_takes_it_where_that_is_declared() -> None:
    names = Names()
    pages = [{"id": 1, "company": 3}, {"id": 2, "company": 3}], [{"id": 3, "company": 3}, {"id": 4, "company": 5}]
    assert made(Losses(), names, *pages) == [[(1, "company 3"), (2, None)], [(3, None), (4, "company 5")]]
    assert names.asked == [{3}, {5}]


def test_what_comes_before_a_broken_record_is_delivered() -> None:
    maker = RowMaker(Things(), LEADS, lambda _: cast(Resolver, Names()))
    rows = maker.rows([{"id": 1, "company": 3}, {"id": 2, "broken": True}, {"id": 3}])
    assert next(rows) == [{"id": 1, "company": 3, "of": "leads", "company_name": "company 3"}]
    with pytest.raises(AmocrmError, match="broken"):
        next(rows)


def test_a_tombstone_knows_its_list() -> None:
    maker = RowMaker(Things(), LEADS, lambda _: cast(Resolver, Names()))
    assert maker.tombstone(Deletion(7, 1, 2, 3)) == {"id": 7, "of": "leads"}
    assert maker.deletable
