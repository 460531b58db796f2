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
from source_amocrm.engine.deletions import Changes, EventLog, changes_of, deletions_in, trim
from source_amocrm.engine.entity_reading import MOST_REREADINGS, EntityReading, end_tick
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
    return (Answer(None, at, at - 1, drift, tick),)


def batch(*rows: Row, at: int = NOW, drift: int = 0) -> Page:
    return Page(list(rows), answered=answered(at, drift))


def ids(batches: Collection[Page]) -> list[list[int]]:
    return [[row["id"] for row in one.rows] for one in batches]


class Records:
    """What is read again by id: `versions` of each record, the last of which stays."""

    def __init__(self, versions: dict[int, list[int]]) -> None:
        self.versions = versions
        self.at = NOW
        self.slept: list[float] = []
        self.asked: list[list[int]] = []

    def sleep(self, tick: float) -> None:
        self.slept.append(tick)
        self.at = NOW + int(tick)

    def read_again(self, wanted: Collection[int]) -> Page:
        self.asked.append(sorted(wanted))
        rows = []
        for own in wanted:
            if versions := self.versions.get(own):
                rows.append(lead(own, versions.pop(0) if len(versions) > 1 else versions[0]))
        return Page(rows, answered=answered(self.at, tick=self.at - NOW))

    def settle(self, *batches: Page) -> list[Page]:
        return list(Stages(batches, records=self).pages())


class Stages(EntityReading):
    """The reading of a first sync, whose walk brings these batches; of `records` it makes several rows."""

    def __init__(
        self,
        walk: Iterable[Page],
        *resolvers: Resolver,
        records: Records | None = None,
        plans: Sequence[ReadPlan] = (WHOLE,),
    ) -> None:
        self.walk, self.records = walk, records or Records({})
        api = SimpleNamespace(sleep=self.records.sleep, clock=lambda: 0.0)
        asked = {"listing": lambda *_: None, "require": lambda _: None, "filter_works": lambda _: True}
        account = SimpleNamespace(api=api, **asked)
        super().__init__(cast(Account, account), LEADS, plans, {}, None, False, records is not None, resolvers)

    def _walked(self) -> Iterator[Page]:
        return iter(self.walk)

    def _read_again(self, ids: Iterable[int]) -> Page:
        return self.records.read_again([*ids])


def test_a_record_that_was_read_in_its_own_second_comes_when_the_second_has_ended() -> None:
    records = Records({2: [NOW]})
    odd = {"id": 4}, {"id": "01ky", "updated_at": NOW}
    came = records.settle(batch(lead(1, NOW - 60), lead(2, NOW)), batch(lead(3, NOW - 60), *odd))
    assert ids(came) == [[1], [3, 4, "01ky"], [2]]
    assert (records.slept, records.asked) == ([2.0], [[2]])
    assert came[-1].floor == 0


def test_a_held_record_is_dated_no_earlier_than_one_that_is_not_held() -> None:
    restored = replace(batch(lead(1, NOW)), at_least={1: NOW + 5})
    assert [one.at_least for one in Records({1: [NOW]}).settle(restored)] == [{1: NOW + 5}] * 2


def test_a_record_that_has_gone_meanwhile_does_not_come() -> None:
    assert ids(Records({}).settle(batch(lead(1, NOW)))) == [[], []]


def test_a_record_that_changes_in_every_second_comes_as_the_last_reading_has_it() -> None:
    records = Records({1: [NOW + 2 * reading for reading in range(1, MOST_REREADINGS + 1)]})
    came = records.settle(batch(lead(1, NOW)))
    assert ids(came) == [[]] * MOST_REREADINGS + [[1]]
    assert came[-1].rows == [lead(1, NOW + 2 * MOST_REREADINGS)]


def test_a_record_whose_second_is_over_when_the_walk_ends_is_read_at_once() -> None:
    records = Records({1: [NOW - 60]})
    stages = Stages([batch(lead(1, NOW))], records=records)
    stages.account.api.clock = lambda: 3.0
    assert ids(list(stages.pages())) == [[], [1]]
    assert records.slept == [0.0]


def test_what_is_read_by_id_may_be_of_any_second_since_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [*answered(NOW), *answered(NOW + 9, tick=9.0)]
    stages = Stages([])
    stages.account.clocks = cast(Clocks, SimpleNamespace(moment=lambda: moments.pop(0)))
    monkeypatch.setattr("source_amocrm.engine.entity_reading.by_ids", lambda *_: iter([lead(1, NOW + 5)]))
    page = EntityReading._read_again(stages, [1])
    assert end_tick(NOW + 5, page.answered) == 7.0


def test_past_the_most_held_records_are_delivered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_amocrm.engine.entity_reading.MOST_HELD", 1)
    records = Records({1: [NOW], 2: [NOW]})
    assert ids(records.settle(batch(lead(1, NOW), lead(2, NOW)))) == [[2], [1]]


@pytest.mark.parametrize(
    ("second", "drift", "over"),
    [
        (NOW - 60, 0, None),
        (NOW - 2, 0, None),
        (NOW - 1, 0, 1.0),
        (NOW, 0, 2.0),
        (NOW + 1, 0, 3.0),
        (NOW + 2, 0, None),  # that has not come, and its row is none that was changed just now
        (NOW + 600, 600, 2.0),  # by this machine's clock it is that second
    ],
)
def test_a_second_has_ended_when_it_has_by_both_clocks(second: int, drift: int, over: float | None) -> None:
    assert end_tick(second, answered(NOW, drift)) == over


def test_of_several_answers_the_latest_end_counts() -> None:
    assert end_tick(NOW, (*answered(NOW, tick=10.0), *answered(NOW - 1, tick=12.0))) == 15.0


def test_the_keys_of_rows_that_every_stream_takes_are_remembered() -> None:
    walk = [batch(lead(1, NOW - 1), lead(2, NOW)), Page([lead(3, 5)], floor=5)]
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


class Told(Resolver):
    def __init__(self) -> None:
        self.told: list[Any] = []

    def observe(self, rows: Any) -> None:
        self.told += [row["id"] for row in rows]

    def finish(self, whole: bool, failure: Any) -> None:
        self.told.append((whole, str(failure)))


def test_a_resolver_sees_every_row_and_then_the_end() -> None:
    told = Told()
    assert ids(list(Stages([batch(lead(1, NOW)), batch(lead(2, NOW))], told).pages())) == [[1], [2]]
    assert told.told == [1, 2, (True, "None")]


def test_a_resolver_learns_that_a_reading_failed_or_was_dropped() -> None:
    def broken() -> Iterator[Page]:
        yield batch(lead(1, NOW))
        raise Unavailable("Later.")

    told = Told()
    with pytest.raises(Unavailable):
        list(Stages(broken(), told).pages())
    assert told.told == [1, (False, "Later.")]
    left = Told()
    stages = Stages([batch(lead(1, NOW)), batch(lead(2, NOW))], left).pages()
    next(stages)
    del stages
    assert left.told == [1, (False, "None")]


def skeletons(*rows: tuple[int, int]) -> RawPage:
    return RawPage([{**lead(*row), "is_deleted": True, "updated_by": 7} for row in rows], True, *answered(NOW))


def deleted(*pages: RawPage, first_sync: bool = False) -> tuple[list[int], int]:
    """The ids of what was deleted since NOW, and how many pages are left."""
    left = list(pages)
    trash = SimpleNamespace(ask=lambda *_: (left or [skeletons()]).pop(0), second_of=lambda row: row["updated_at"])
    trash.retrying_empty = lambda _: trash
    found = deletions_in(cast(Listing, trash), NOW, first_sync)
    return [deletion.id for deletion in found], len(left)


def test_the_trash_is_read_from_the_newest_deletion_down_to_the_needed_second() -> None:
    pages = skeletons((1, NOW + 9), (2, NOW)), skeletons((3, NOW), (4, NOW - 1)), skeletons((5, NOW - 2))
    assert deleted(*pages) == ([1, 2, 3], 1)


def test_a_trash_in_no_order_is_read_whole_in_a_first_sync_only() -> None:
    pages = skeletons((1, NOW - 1), (2, NOW)), skeletons((3, NOW - 9), (4, NOW))
    assert deleted(*pages, first_sync=True) == ([2, 4], 0)
    assert deleted(*pages) == ([2], 1)


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
    stages = Stages([batch(*(lead(own, NOW - 60) for own in (1, 5, 6)))])
    stages.event_log = cast(EventLog, SimpleNamespace(changes=lambda *_: Changes(deleted=gone)))
    stages.mark_deleted, stages._trash = True, lambda: in_trash
    told = {deletion.id: deletion for one in stages.pages() for deletion in one.deletions}
    assert {own: (deletion.at, deletion.by) for own, deletion in told.items()} == {
        2: (NOW + 1, 8),
        3: (NOW, 7),
        4: (NOW, 8),
    }
