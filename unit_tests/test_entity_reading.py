"""The stages of a reading, each on its own: batches in, batches out, and no account behind them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from source_amocrm.account import Account
from source_amocrm.account.clocks import Clocks
from source_amocrm.account.resources import CONTACTS, LEADS, NOTES, Resource
from source_amocrm.engine.deletions import Changes, EventLog, WalkedLinks, changes_of, deletions_in, trim
from source_amocrm.engine.entity_reading import READ_AGAIN_AT_ONCE, EntityReading
from source_amocrm.engine.lookup import Resolver
from source_amocrm.engine.read_plan import ReadPlan
from source_amocrm.errors import Unavailable
from source_amocrm.http import Answer
from source_amocrm.walk import Deletion
from source_amocrm.walk.intervals import FOREVER, IntervalSet
from source_amocrm.walk.listing import REMEMBERED_KEYS, Listing, Page, RawPage, Row

NOW = 1_700_000_000
WHOLE = ReadPlan(IntervalSet(((0, FOREVER),)))


def lead(own: int, second: int) -> Row:
    return {"id": own, "updated_at": second}


def answered(at: int, drift: int = 0, tick: float = 0.0) -> tuple[Answer]:
    """Asked for in the second before."""
    return (Answer(None, at, drift, tick),)


def batch(*rows: Row, at: int = NOW, drift: int = 0) -> Page:
    return Page(list(rows), answered=answered(at, drift))


def ids(batches: Collection[Page]) -> list[list[int]]:
    return [[row["id"] for row in one.rows] for one in batches]


class Stages(EntityReading):
    """The reading of a first sync, whose walk brings these batches."""

    def __init__(
        self,
        walk: Iterable[Page],
        *resolvers: Resolver,
        plans: Sequence[ReadPlan] = (WHOLE,),
        event_log: EventLog | None = None,
    ) -> None:
        self.walk = walk
        asked = {"listing": lambda *_: None, "require": lambda _: None, "filter_works": lambda _: True}
        account = cast(Account, SimpleNamespace(**asked))
        log = event_log or EventLog(account)
        super().__init__(account, LEADS, plans, {}, log, event_log is not None, False, resolvers)

    def _walked(self) -> Iterator[Page]:
        return iter(self.walk)


class Told(EventLog):
    """Tells of these changes."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(cast(Account, SimpleNamespace()))
        self.told = Changes(**changes)

    def changes(self, *_: Any) -> Changes:
        return self.told


def test_what_is_read_by_id_may_be_of_any_second_since_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [*answered(NOW), *answered(NOW + 9, tick=9.0)]
    stages = Stages([])
    stages.account.clocks = cast(Clocks, SimpleNamespace(moment=lambda: moments.pop(0)))
    monkeypatch.setattr("source_amocrm.engine.entity_reading.by_ids", lambda *_: iter([lead(1, NOW + 5)]))
    page = EntityReading._read_again(stages, [1])
    assert [one.server_time for one in page.answered] == [NOW, NOW + 9]


def test_records_that_events_name_are_read_again_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A robot may tag a hundred thousand deals: their rows are never all in memory."""
    asked: list[int] = []

    def by_ids(*given: Any) -> Iterator[Row]:
        asked.append(len(given[2]))
        return (lead(own, NOW) for own in given[2] if own % 2)

    monkeypatch.setattr("source_amocrm.engine.entity_reading.by_ids", by_ids)
    stages = Stages([batch(lead(1, NOW))], event_log=Told(touched=set(range(1, 2 * READ_AGAIN_AT_ONCE + 11))))
    stages.account.clocks = cast(Clocks, SimpleNamespace(moment=lambda: answered(NOW)[0]))
    came = list(stages.pages())
    assert asked == [READ_AGAIN_AT_ONCE, READ_AGAIN_AT_ONCE, 9]
    assert [len(one.rows) for one in came] == [1, READ_AGAIN_AT_ONCE // 2, READ_AGAIN_AT_ONCE // 2, 4]


def test_the_keys_of_rows_that_every_stream_takes_are_remembered() -> None:
    walk = [batch(lead(1, NOW - 1), lead(2, NOW)), Page([lead(3, 5)], taken_since=5)]
    stages = Stages(walk, plans=[WHOLE, ReadPlan(IntervalSet(((NOW, FOREVER),)))])
    assert ids(list(stages.pages())) == [[1, 2], [3]]
    assert (stages.delivered, list(stages.ids)) == ({2, 3}, [1, 2, 3])


@pytest.mark.parametrize(("since", "many"), [(FOREVER, REMEMBERED_KEYS + 1), (NOW, 2 * (REMEMBERED_KEYS + 1))])
def test_a_first_sync_remembers_no_more_keys_than_it_needs(since: int, many: int) -> None:
    rows = [lead(own, NOW) for own in range(1, 2 * (REMEMBERED_KEYS + 1) + 1)]
    walk = [batch(*rows[: REMEMBERED_KEYS + 1]), batch(*rows[REMEMBERED_KEYS + 1 :])]
    stages = Stages(walk, plans=[ReadPlan(IntervalSet(((0, FOREVER),)), changes_since=since)])
    assert sum(map(len, ids(list(stages.pages())))) == len(stages.ids) == len(rows)
    assert len(stages.delivered) == many


class Seen(Resolver):
    def __init__(self) -> None:
        self.told: list[Any] = []

    def observe(self, rows: Any) -> None:
        self.told += [row["id"] for row in rows]

    def finish(self, whole: bool, failure: Any) -> None:
        self.told.append((whole, str(failure)))


def test_a_resolver_sees_every_row_and_then_the_end() -> None:
    told = Seen()
    assert ids(list(Stages([batch(lead(1, NOW)), batch(lead(2, NOW))], told).pages())) == [[1], [2]]
    assert told.told == [1, 2, (True, "None")]


def test_a_resolver_learns_that_a_reading_failed_or_was_dropped() -> None:
    def broken() -> Iterator[Page]:
        yield batch(lead(1, NOW))
        raise Unavailable("Later.")

    told = Seen()
    with pytest.raises(Unavailable):
        list(Stages(broken(), told).pages())
    assert told.told == [1, (False, "Later.")]
    left = Seen()
    stages = Stages([batch(lead(1, NOW)), batch(lead(2, NOW))], left).pages()
    next(stages)
    del stages
    assert left.told == [1, (False, "None")]


def skeletons(*rows: tuple[int, int]) -> RawPage:
    return RawPage([{**lead(*row), "is_deleted": True, "updated_by": 7} for row in rows], True, *answered(NOW))


def deleted(*pages: RawPage, first_sync: bool = False, since: int = NOW) -> tuple[list[int], int]:
    """Returns the ids deleted at the second `since` or later, and how many pages were not asked for."""
    asked: list[int] = []

    def ask(_: object, page: int) -> RawPage:
        asked.append(page)
        return [*pages, skeletons()][page - 1]

    trash: Any = SimpleNamespace(
        ask=ask, second_of=lambda row: row["updated_at"] or None, retrying_empty=lambda _: trash
    )
    found = [deletion.id for deletion in deletions_in(cast(Listing, trash), since, first_sync)]
    assert asked == [*range(1, len(asked) + 1)]
    return found, len(pages[len(asked) :])


def test_the_trash_is_read_from_the_newest_deletion_down_to_the_needed_second() -> None:
    pages = skeletons((1, NOW + 9), (2, NOW)), skeletons((3, NOW), (4, NOW - 1)), skeletons((5, NOW - 2))
    assert deleted(*pages) == ([1, 2, 3], 1)


def test_a_trash_in_no_order_is_read_whole_in_a_first_sync_only() -> None:
    pages = skeletons((1, NOW - 1), (2, NOW)), skeletons((3, NOW - 9), (4, NOW))
    assert deleted(*pages, first_sync=True) == ([2, 4], 0)
    assert deleted(*pages) == ([2], 1)


def test_a_deletion_without_a_date_does_not_end_a_reading_from_the_beginning() -> None:
    pages = skeletons((1, NOW), (2, 0)), skeletons((3, NOW))
    assert deleted(*pages, first_sync=True, since=0) == ([1, 3], 0)


def test_a_trash_that_repeats_a_page_ends_there() -> None:
    assert deleted(*[skeletons((1, NOW))] * 3) == ([1, 1], 1)


def test_a_row_that_is_not_said_to_be_deleted_is_not() -> None:
    """Not even in an answer of a server that shows the list itself instead of its trash."""
    odd = [lead(1, NOW), {**lead(2, NOW), "is_deleted": False}, {"id": None, "updated_at": NOW, "is_deleted": True}]
    assert deleted(RawPage([*odd, *skeletons((3, NOW)).rows], False, *answered(NOW))) == ([3], 0)


def event(kind: str, own: int, at: int) -> Row:
    return {"type": kind, "entity_type": "lead", "entity_id": own, "created_at": at, "created_by": 7}


EVENTS = [
    event("lead_deleted", 1, NOW),
    event("lead_deleted", 2, NOW),
    event("lead_restored", 2, NOW + 1),
    event("lead_deleted", 3, NOW - 5),
    event("entity_merged", 4, NOW + 2),
    event("entity_linked", 5, NOW + 3),
    event("entity_linked", 6, NOW - 5),
]


def test_what_events_tell_of_a_list() -> None:
    changes = changes_of(EVENTS, LEADS, NOW - 10, NOW)
    assert {own: gone.at for own, gone in changes.deleted.items()} == {1: NOW, 3: NOW - 5}
    assert (changes.restored, set(changes.merged), changes.touched) == ({2: NOW + 1}, {4}, {5})
    assert changes_of(EVENTS, CONTACTS, NOW - 10, NOW).deleted == {}
    others = [
        event("lead_deleted", 8, NOW - 11),
        {**EVENTS[0], "created_at": None},
        event("common_note_deleted", 9, NOW),
    ]
    assert changes_of([*others, *EVENTS], LEADS, NOW - 10, NOW) == changes


def test_the_cards_that_entered_a_list_are_touched_and_born() -> None:
    changes = changes_of([event("lead_added", 7, NOW), event("lead_added", 8, NOW - 1), *EVENTS], LEADS, NOW - 10, NOW)
    assert (changes.born, changes.touched) == ({7}, {5, 7})


def test_the_links_of_walked_cards() -> None:
    """Whatever stands in their place: a card without an id, a link without one, an object of PHP."""
    links = WalkedLinks()
    contacts: dict[str, Any] = {"0": {"id": 5}, "1": {"id": "6"}, "2": {"name": "x"}, "3": None}
    odd: list[Row] = [{"id": "x", "_embedded": {}}, {"id": 4, "_embedded": None}, {"id": 9, "_embedded": {"leads": 7}}]
    links.note([{"id": 1, "_embedded": {"contacts": contacts, "companies": [{"id": 7}], "tags": [{"id": 8}]}}, *odd])
    links.note([{"id": 2, "_embedded": {"contacts": [{"id": 5}]}}])
    assert links.of({1, 3}) == ({("contacts", 5), ("contacts", 6), ("companies", 7)}, {3})
    assert links.of({2, 4, 9}) == ({("contacts", 5)}, set())


LINK = {"link": {"entity": {"type": "contact", "id": 8}}}


@pytest.mark.parametrize("resource", [LEADS, CONTACTS, *NOTES[:2]])
def test_a_trimmed_event_tells_the_same_changes(resource: Resource) -> None:
    values: dict[str, Row] = {
        "entity_linked": {"value_after": [LINK], "value_before": []},
        "entity_tag_added": {"value_after": [{"tag": {"name": "VIP"}}]},
        "common_note_deleted": {"value_before": [{"note": {"id": 9}}]},
    }
    kinds = [{**event(kind, own, NOW), **more} for own, (kind, more) in enumerate(values.items(), 10)]
    whole = [{**one, "id": str(number), "account_id": 1} for number, one in enumerate([*EVENTS, *kinds])]
    kept = [*map(trim, whole)]
    assert changes_of(kept, resource, NOW - 10, NOW) == changes_of(whole, resource, NOW - 10, NOW)
    assert kept[-1]["value_before"] == [{"note": {"id": 9}}]


@pytest.mark.parametrize("shape", [lambda values: {"0": values[0]}, lambda values: values[0]])
def test_values_that_php_wrote_as_an_object_tell_the_same(shape: Callable[[list[Row]], Row]) -> None:
    note = {**event("common_note_deleted", 1, NOW), "value_after": shape([{"note": {"id": 9}}])}
    link = {**event("entity_linked", 5, NOW), "value_after": shape([LINK])}
    assert set(changes_of([trim(note)], NOTES[0], NOW, NOW).deleted) == {9}
    assert changes_of([trim(link)], CONTACTS, NOW, NOW).touched == {8}


def test_a_trimmed_deletion_has_no_values() -> None:
    """An account may have hundreds of thousands of them."""
    told = {**event("lead_deleted", 1, NOW), "id": "01", "account_id": 1}
    assert trim({**told, "value_before": [{"name": "x" * 1000}], "_embedded": {"entity": {"id": 1}}}) == told


def test_an_event_whose_kind_is_no_text_tells_nothing() -> None:
    kinds: list[Any] = [["lead_deleted"], {}, None]
    bent = [trim({**told, "type": kind}) for told in EVENTS for kind in kinds]
    assert changes_of(bent, LEADS, NOW - 10, NOW) == Changes()


def test_changes_that_are_read_again_by_id() -> None:
    changes = changes_of(EVENTS, LEADS, NOW - 10, NOW)
    assert changes.to_read_again(set(), FOREVER) == {2, 4, 5}
    assert changes.to_read_again({2, 4, 5}, FOREVER) == {2}  # it may be back with an old date
    assert changes.to_read_again(set(), NOW) == {1, 2, 4, 5}


def test_a_merged_entity_that_is_not_found_is_deleted_since_its_merge() -> None:
    changes = changes_of(EVENTS, LEADS, NOW - 10, NOW)
    assert {own: gone.at for own, gone in changes.gone({1, 4}).items()} == {1: NOW, 3: NOW - 5, 4: NOW + 2}
    assert set(changes.gone({1})) == {1, 3}
    deletion, merge = Deletion(1, NOW, 7, 1), Deletion(1, NOW - 5, 7, 1)
    assert Changes(deleted={1: deletion}, merged={1: merge}).gone({1}) == {1: deletion}


def test_in_a_first_sync_only_deletions_are_asked_for_since_all_live_rows_come() -> None:
    log = EventLog(cast(Account, SimpleNamespace()))
    assert log.want(LEADS, WHOLE, mark_deleted=True)
    assert log.kinds_since == {"lead_deleted": 0}
    assert not log.want(LEADS, WHOLE, mark_deleted=False)


def test_events_of_a_kind_are_read_from_the_earliest_second_that_any_list_needs() -> None:
    for leads_since, contacts_since in ((NOW - 5, NOW), (NOW, NOW - 5)):
        log = EventLog(cast(Account, SimpleNamespace()))
        for resource, since in ((LEADS, leads_since), (CONTACTS, contacts_since)):
            assert log.want(resource, replace(WHOLE, deletions_since=since - 9, changes_since=since), mark_deleted=True)
        told = log.kinds_since
        assert (told["entity_merged"], told["lead_deleted"], told["contact_deleted"]) == (
            NOW - 5,
            min(NOW - 5, leads_since - 9),
            min(NOW - 5, contacts_since - 9),
        )


def test_the_later_deletion_of_events_and_trash_counts_and_an_entity_that_was_read_is_not_deleted() -> None:
    gone = {own: Deletion(own, NOW, 7, 1) for own in (1, 2, 3)}
    in_trash = [Deletion(2, NOW + 1, 8, 1), Deletion(3, NOW - 1, 8, 1), Deletion(4, NOW, 8, 1), Deletion(5, NOW, 8, 1)]
    stages = Stages([batch(*(lead(own, NOW - 60) for own in (1, 5, 6)))], event_log=Told(deleted=gone))
    stages.mark_deleted, stages._trash = True, lambda: in_trash
    told = {deletion.id: deletion for one in stages.pages() for deletion in one.deletions}
    assert {own: (deletion.at, deletion.by) for own, deletion in told.items()} == {
        2: (NOW + 1, 8),
        3: (NOW, 7),
        4: (NOW, 8),
    }
