"""Compares an account with a database, and finds their differences.

Shares the row functions and the HTTP client with the sync, and nothing else: no cursor, no state, no walk by date.
Reads the IDs of all cards, in the order of IDs. Looks at tasks and notes in pages of that order, drawn at random: a
page holds every row from its first ID to its last. Looks at events in windows of time, drawn at random. Compares every
column of cards drawn at random, with their fields, links and tags, and every row of short lists.

No false alarm: a difference is read once more from both sides. What changed after the last sync began, by its date or
by an event, counts as changed since. No miss: an edit does not excuse a row that the last sync should have had.
"""

from __future__ import annotations

import random
from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

from amocrm_warehouse.column_kind import column_kind
from amocrm_warehouse.live_line import Step
from amocrm_warehouse.verify.findings import Finding
from amocrm_warehouse.verify.held_tables import HeldTables, Key, Row, Span, moment, normal
from source_amocrm.account import Account, Resource, by_ids, event_kinds
from source_amocrm.account.availability import in_parts
from source_amocrm.account.events_page_size import DOCUMENTED
from source_amocrm.account.resources import CARDS, EVENTS, NOTES, TASKS
from source_amocrm.engine.stream_interface import READ_AT, Context, with_parameter
from source_amocrm.errors import AmocrmError
from source_amocrm.http import Params
from source_amocrm.streams import STREAMS
from source_amocrm.streams.activity import ELEMENT_TYPE
from source_amocrm.streams.base import AmocrmStream, FullRefreshStream, IncrementalStream, PartsStream
from source_amocrm.streams.custom_fields import FieldRowStream
from source_amocrm.streams.values import as_list, child
from source_amocrm.walk.full import in_passes, one_pass
from source_amocrm.walk.listing import numeric_id, seconds

IDS_A_REQUEST, CARDS_AT_ONCE = 50, 500
"""Cards that one request by ID brings, and cards that are compared together."""
FREE_SHARE = 1.2
"""Requests for a page of IDs that are not of the budget: pages overlap, and some are requested past the end."""
MOST_READ_AGAIN = 1_000
"""Differences of a table that are read again. Of further ones the dates of the first reading decide."""
MOST_EVENTS = 20_000
"""Events since the last sync that are read, to date changes. If there are more, a difference that its own date does not
show to be older than the sync counts as changed since."""
MOST_PAGES = 5
"""Pages of a window of events that are read. Of a longer window, only rows that the table lacks are looked for."""
SLACK = 2
"""Seconds by which two readings of a clock may differ."""
WINDOW_ROWS, LONGEST_WINDOW = 60, 30 * 86_400
"""A window ends after so many rows of the table, or so many seconds."""
MOST_DRAWN = 5_000
"""Cards of a list of which every column may be compared."""
UNDATED: Mapping[str, frozenset[str]] = {
    "deals": frozenset({"closest_task_at", "loss_reason_name"}),
    "contacts": frozenset({"closest_task_at", "company_name"}),
    "companies": frozenset({"closest_task_at"}),
    "customers": frozenset({"closest_task_at"}),
    "deal_statuses": frozenset({"loss_reason_id"}),
    "account": frozenset({"drive_url"}),
}
"""Columns whose later changes neither a date nor an event shows, so that a sync cannot keep them exact."""
REPEATED = frozenset({"raw", "live_entities"})
"""A column and a table that repeat others."""
LEAVING = frozenset({"unsorted"})
"""Tables whose rows leave their list without a date or an event."""
ELEMENT = {number: entity for entity, path in event_kinds.ENTITIES.items() if (number := ELEMENT_TYPE.get(path))}
"""By the number of an entity type (`element_type`), its name in events."""


class Entity(NamedTuple):
    """An entity as events name it: ("lead", 17)."""

    kind: str
    number: Any


@dataclass(frozen=True)
class Difference:
    """A row that differs. `kind`: missing, extra, stale, or unequal in these `columns`.

    `created`, `updated`: dates of the account's record, or of the table's row if there is no record (Unix seconds).
    `owner`: the card of a task or a note.
    """

    stream: str
    key: Key
    kind: str
    entity: Entity
    columns: tuple[str, ...] = ()
    created: int | None = None
    updated: int | None = None
    owner: Entity | None = None


class Requests:
    """Counts the responses of the account, as their observer."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, path: str, body: Any) -> None:  # noqa: ARG002
        self.count += 1


@dataclass
class Since:
    """What events tell of the time since the last sync: the kinds of each entity's events. `met`: the events' IDs.

    `complete`: all events of that time were read. `merged`: merges of cards, whose victims no event names.
    """

    kinds: defaultdict[Entity, set[str]] = field(default_factory=lambda: defaultdict(set))
    met: set[Any] = field(default_factory=set)
    complete: bool = True
    merged: int = 0

    def add(self, event: Row) -> None:
        kind = str(event.get("type"))
        self.met.add(event.get("id"))
        self.merged += kind == event_kinds.MERGED
        for entity in _named(event):
            self.kinds[entity].add(kind)

    def names(self, entity: Entity | None, kinds: Collection[str] = ()) -> bool:
        """Whether an event of these kinds names the entity; of any kind if there are none."""
        met = self.kinds.get(entity, set()) if entity else set()
        return bool(met & set(kinds) if kinds else met)


GONE = (*event_kinds.DELETED, event_kinds.NOTE_DELETED, event_kinds.MERGED)
CAME = (*event_kinds.ADDED, *event_kinds.RESTORED)
LINKS = (*event_kinds.LINKED, *event_kinds.TAGGED, *event_kinds.TRASHED, *event_kinds.RESTORED)


class Comparison:
    """Looks at the tables whose last sync `began` is known, by stream (Unix seconds, this machine's clock).

    `open_account` opens the account once more, because an account requests each short list once. `budget`: requests
    besides the requests for the IDs of cards and for differing rows.
    """

    def __init__(
        self,
        open_account: Callable[[], Account],
        held: HeldTables,
        began: Mapping[str, float],
        *,
        requests: Requests,
        budget: int,
        draw: random.Random | None = None,
    ) -> None:
        self._open_account = open_account
        self._account = open_account()
        self._held = held
        self._requests = requests
        self._budget = budget
        self._draw = draw or random.Random()
        self._step = Step("looking at the account", 0, unit="lists")
        self._met = defaultdict[str, set[Key]](set)
        """The keys of rows of events that were looked at: windows may overlap."""
        self._repeated = defaultdict[str, set[Key]](set)
        """The keys that a table has more than once."""
        names = [name for name in STREAMS if name in began and name not in REPEATED]
        self._streams = {name: _stream(name, self._account) for name in names}
        self._kinds = {name: _kinds(stream) for name, stream in self._streams.items()}
        self.found = {name: Finding(whole=True) for name in names}
        self._check_account()
        ahead = self._account.api.wall() - self._account.clocks.moment().server_time
        self._began = {name: int(began[name] - ahead) - SLACK for name in names}
        # an event that is listed late reaches the sync whose look-back covers it
        self._told = min(self._began.values(), default=0) - self._account.config.lookback
        self._since, self._events_until = Since(), self._told
        self._pages = 0
        """Pages that hold the IDs of all cards."""

    def _check_account(self) -> None:
        """Raises ValueError if the tables hold another account."""
        own = self._account.facts().id
        of_tables = self._held.columns.get("account", ())
        held = [row["account_id"] for row in self._held.rows("account", {"account_id": "integer"})] if of_tables else []
        if held and own is not None and own not in held:
            raise ValueError(
                f"The tables {self._held.prefix}… hold the account {held[0]}, and the config is of the account {own}. "
                "Give that account's --config, or the --project of this one."
            )

    def step(self) -> Step:
        """Returns the list that is looked at, and how many there are."""
        return self._step

    def look(self) -> dict[str, Finding]:
        """Looks at every table. Returns what was found in each, by stream."""
        short = [name for name, stream in self._streams.items() if isinstance(stream, FullRefreshStream)]
        cards = [resource for resource in CARDS if self._made_of(resource)]
        lists = [resource for resource in (*CARDS, TASKS, *NOTES, EVENTS) if self._made_of(resource)]
        trashes = [one for one in cards if self._main(one) and one.has_trash and self._account.config.mark_deleted]
        self._step = replace(self._step, total=len(short) + len(cards) + len(lists) + len(trashes))
        for name in short:
            self._guarded([name], name, partial(self._look_at_short_list, name))
        before, drawn = self._requests.count, {resource: array("q") for resource in cards}
        for resource in cards:
            look = partial(self._look_at_ids, resource, drawn[resource])
            self._guarded(self._made_of(resource), resource.name, look)
        free = min(self._requests.count - before, int(FREE_SHARE * self._pages))
        allowed = self._budget + free - len(trashes)
        for left, resource in zip(range(len(lists), 0, -1), lists, strict=True):
            share = max(1, (allowed - self._requests.count) // left)
            if resource in CARDS:
                look = partial(self._look_at_cards, resource, share, drawn[resource])
            else:
                look = partial(self._look_at_windows if resource is EVENTS else self._look_at_pages, resource, share)
            self._guarded(self._made_of(resource), resource.path, look)
        for resource in trashes:
            main = self._made_of(resource)[0]
            self._guarded([main], f"{resource.name}, trash", partial(self._look_at_trash, resource, main))
        for name, finding in self.found.items():
            if finding.whole and finding.account is None and not isinstance(self._streams[name], PartsStream):
                finding.account, finding.database = finding.looked_at, self._held.count(name)
            for column in sorted(self._kinds[name].keys() - self._held.columns[name] - REPEATED):
                finding.unequal[column] = max(1, finding.database or 0)
                finding.note("without the column", (column,))
        return self.found

    def _looked_in_part(self, names: Iterable[str]) -> None:
        for name in names:
            self.found[name].whole = False

    def _guarded(self, names: Iterable[str], doing: str, look: Callable[[], None]) -> None:
        """Looks at a list. If that fails, says why at each of its tables."""
        self._step = replace(self._step, at=doing)
        try:
            look()
        except AmocrmError as error:
            for name in names:
                if self._account.lacks(error):
                    self.found[name].account = self.found[name].account or 0
                else:
                    self.found[name].failure = self.found[name].failure or str(error)
        self._step = replace(self._step, done=(self._step.done or 0) + 1)

    def _made_of(self, resource: Resource) -> list[str]:
        """Returns the streams made of a list, first the one that has a row for each of its entities."""
        names = [
            name
            for name, one in self._streams.items()
            if isinstance(one, IncrementalStream) and resource in one.inputs()
        ]
        return sorted(names, key=lambda name: not self._incremental(name).deletable)

    def _main(self, resource: Resource) -> str | None:
        """Returns the stream that has a row for each entity of the list, if the database has its table."""
        names = self._made_of(resource)
        return names[0] if names and self._incremental(names[0]).deletable else None

    def _incremental(self, name: str) -> IncrementalStream:
        stream = self._streams[name]
        assert isinstance(stream, IncrementalStream)
        return stream

    # Short lists

    def _look_at_short_list(self, name: str) -> None:
        finding, stream = self.found[name], self._streams[name]
        found = self._differences_of_short_list(name, stream)
        if found:
            found = self._differences_of_short_list(name, _stream(name, self._open_account()))
        self._settle(found)
        finding.whole = not stream.completing_paths
        finding.sampled = finding.looked_at

    def _differences_of_short_list(self, name: str, stream: AmocrmStream) -> list[Difference]:
        """Compares every row of the list. Leaves out rows of which each would cost a request of its own."""
        assert isinstance(stream, FullRefreshStream)
        parts = bool(stream.completing_paths)
        if parts:
            records = stream.account.dictionary(stream.list_path, stream.collection)
            made: Iterable[Row] = (row for record in records for row in stream.rows(record, Context()))
        else:
            made = stream.read_records()
        rows = self._by_key(name, made)
        there = self._held.rows(name, self._kinds[name])
        held = self._each_once(name, there)
        finding = self.found[name]
        finding.account, finding.database, finding.looked_at = (None if parts else len(rows)), len(there), len(rows)
        return list(self._compared(name, rows, held, extra=not parts))

    # Cards

    def _look_at_ids(self, resource: Resource, drawn: array[int]) -> None:
        """Compares the IDs and the dates of all cards of a list. Draws IDs that both sides have."""
        self._account.require(resource.path)
        listing = self._account.listing(resource)
        listed = in_parts(listing)
        ids, dates = array("q"), array("q")
        for record in listed:
            if type(record.get("id")) is int:
                ids.append(record["id"])
                dates.append(seconds(record.get("updated_at")) or 0)
        order: Iterable[int] = range(len(ids))
        if any(one > other for one, other in pairwise(ids)):
            order = array("q", sorted(order, key=ids.__getitem__))
        self._pages += ceil(len(ids) / listing.limit)
        name, met, differing = self._main(resource), 0, list[Difference]()
        if name is None:
            for met, entity_id in enumerate(ids):
                self._keep(drawn, met, entity_id)
            return
        finding = self.found[name]
        finding.account, finding.database = len(ids), 0
        for entity_id, updated, row in _joined(((ids[at], dates[at]) for at in order), self._dated(name)):
            live = row is not None and not row[2]
            finding.database += live
            kind = (
                "missing" if updated is not None and not live
                else "extra" if updated is None and live
                else "stale" if updated is not None and row and updated > row[1]
                else None
            )  # fmt: skip
            if kind:
                date = row[1] if updated is None and row else updated
                entity = Entity(resource.entity, entity_id)
                differing.append(Difference(name, (entity_id,), kind, entity, updated=date))
            elif live:
                self._keep(drawn, met, entity_id)
                met += 1
        finding.looked_at = finding.account
        self._settle_again(resource, differing)

    def _dated(self, name: str) -> Iterator[tuple[int, int, bool]]:
        """Yields what HeldTables.dated does, each ID once."""
        before = None
        for row in self._held.dated(name, self._id_column(name), self._incremental(name).cursor_field):
            if row[0] == before:
                self._met_again(name, row[:1])
                self.found[name].database = (self.found[name].database or 0) + (not row[2])
            else:
                yield row
            before = row[0]

    def _keep(self, drawn: array[int], met: int, entity_id: int) -> None:
        """Keeps MOST_DRAWN of the IDs met, each with the same chance."""
        if met < MOST_DRAWN:
            drawn.append(entity_id)
        elif (position := self._draw.randrange(met + 1)) < MOST_DRAWN:
            drawn[position] = entity_id

    def _look_at_cards(self, resource: Resource, share: int, drawn: array[int]) -> None:
        """Compares every column of cards drawn at random, and of their parts."""
        most = share * IDS_A_REQUEST if self._account.filter_works(resource) else share
        ids = self._draw.sample(list(drawn), min(len(drawn), most))
        if len(ids) < len(drawn) or len(drawn) == MOST_DRAWN:
            self._looked_in_part(name for name in self._made_of(resource) if name != self._main(resource))
        for start in range(0, len(ids), CARDS_AT_ONCE):
            some = ids[start : start + CARDS_AT_ONCE]
            self._settle_again(resource, self._compared_records(resource, self._by_ids(resource, some), some))

    def _by_ids(self, resource: Resource, ids: Iterable[int]) -> list[Row]:
        """Reads cards by ID, with as many requests at a time as the account's pace has room for."""
        left, pool = sorted(set(ids)), self._account.pool
        params, ahead, found = self._params(resource), deque[Callable[[], list[Row]]](), list[Row]()
        while left or ahead:
            while left and pool.may_go_ahead(len(ahead)):
                some, left = left[:IDS_A_REQUEST], left[IDS_A_REQUEST:]
                ahead.append(pool.prefetch(partial(self._part_by_ids, resource, some, params)))
            if ahead:
                found += ahead.popleft()()
            else:
                found += self._part_by_ids(resource, left[:IDS_A_REQUEST], params)
                left = left[IDS_A_REQUEST:]
        return found

    def _part_by_ids(self, resource: Resource, ids: list[int], params: Params) -> list[Row]:
        return list(by_ids(self._account, resource, ids, params))

    def _params(self, resource: Resource) -> dict[str, Any]:
        streams = map(self._incremental, self._made_of(resource))
        return dict(with_parameter({extra for stream in streams for extra in stream.wanted_extras()}))

    def _look_at_trash(self, resource: Resource, name: str) -> None:
        """Looks for the tombstones of cards in the trash. A list without a trash ends with its first page."""
        listing, gone = self._account.listing(resource, {"with": "only_deleted"}), dict[int, int]()
        for page in one_pass(listing):
            skeletons = [row for row in page.rows if row.get("is_deleted") is True and type(row.get("id")) is int]
            gone |= {row["id"]: seconds(row.get("updated_at")) or 0 for row in skeletons}
            if not skeletons:
                break
        column = self._id_column(name)
        held = {row[column] for row in self._held.rows_with(name, {column: "integer"}, column, gone.keys())}
        missing = (Difference(name, (number,), "missing", Entity("", None), updated=gone[number]) for number in gone)
        self._settle([one for one in missing if one.key[0] not in held])

    # Tasks and notes

    def _look_at_pages(self, resource: Resource, share: int) -> None:
        """Compares pages of the list in the order of IDs, each drawn at random."""
        base = self._made_of(resource)[0]
        rows = self._held.count(base, self._of(resource))
        listing = self._account.listing(resource, {**self._params(resource), "order[id]": "asc"})
        last = rows // listing.limit + 1
        if last > share:
            self._looked_in_part(self._made_of(resource))
        for number in sorted(self._draw.sample(range(1, last + 1), min(last, share))):
            page = listing.ask({}, number)
            ids = [row["id"] for row in page.rows if type(row.get("id")) is int]
            if len(ids) < len(page.rows) or any(one >= other for one, other in pairwise(ids)):
                self._look_at_held_ids(resource, base, share)
                return
            if ids or number == 1:
                span = Span(ids[0] if number > 1 else 0, ids[-1] if page.may_go_on else None)
                self._settle_again(resource, self._compared_records(resource, page.rows, span))

    def _look_at_held_ids(self, resource: Resource, base: str, share: int) -> None:
        """Compares rows that the table has, because the list has no order of IDs. Finds no row that the table lacks."""
        self._looked_in_part(self._made_of(resource))
        column = "note_id" if resource in NOTES else self._id_column(base)
        ids = self._held.ids_at_random(base, column, share * IDS_A_REQUEST, self._of(resource))
        self._settle_again(resource, self._compared_records(resource, self._by_ids(resource, ids), ids))

    # Events

    def _look_at_windows(self, resource: Resource, share: int) -> None:
        """Compares windows of time: all, or some that begin at an event of the table or at any moment, in turn."""
        names = self._made_of(resource)
        base = "events" if "events" in names else names[0]
        cursor = self._incremental(base).cursor_field
        windows = self._all_windows(base, cursor)
        if self._held.count(base) > share * WINDOW_ROWS:
            self._looked_in_part(names)
            windows = (self._window_at_random(base, cursor, at_event=number % 2 == 0) for number in range(share))
        for begins, ends in windows:
            found = self._compared_window(begins, ends)
            self._settle(self._compared_window(begins, ends) if found else [])

    def _all_windows(self, base: str, cursor: str) -> Iterator[tuple[int, int]]:
        """Yields windows that together hold every event up to the last sync."""
        begins = self._account.config.start or 0
        while begins <= self._told:
            ends = self._held.after(base, cursor, begins, WINDOW_ROWS)
            yield begins, self._told if ends is None else min(ends, self._told)
            begins = self._told + 1 if ends is None else ends + 1

    def _window_at_random(self, base: str, cursor: str, *, at_event: bool) -> tuple[int, int]:
        oldest = min(self._held.oldest(base, cursor) or self._told, self._told)
        begins = self._draw.randint(oldest, self._told)
        if at_event:
            begins = min(self._held.at_random(base, cursor) or begins, self._told)
        ends = self._held.after(base, cursor, begins, WINDOW_ROWS) or self._told
        return begins, min(ends, begins + LONGEST_WINDOW, self._told)

    def _compared_window(self, begins: int, ends: int) -> list[Difference]:
        """Compares the events of these seconds, both included, with the rows of all streams that are made of them."""
        window = {"filter[created_at][from]": begins, "filter[created_at][to]": ends}
        records, whole = dict[Any, Row](), True
        for number, page in enumerate(self._events(window)):
            records |= {row.get("id"): row for row in page if begins <= (seconds(row.get("created_at")) or 0) <= ends}
            if number + 1 == MOST_PAGES and page:
                whole = False
                break
        if not whole:
            self._looked_in_part(self._made_of(EVENTS))
        with self._held.at_one_moment():
            return self._differences_of_events(records.values(), begins, ends, whole)

    def _differences_of_events(self, records: Collection[Row], begins: int, ends: int, whole: bool) -> list[Difference]:
        found = list[Difference]()
        for name in self._made_of(EVENTS):
            rows = self._by_key(name, self._rows(name, EVENTS, records))
            cursor = self._incremental(name).cursor_field
            also_made_of_others = len(self._incremental(name).inputs()) > 1
            if also_made_of_others or not whole:
                column = self._streams[name].primary_key[0]
                held = self._held.rows_with(name, self._kinds[name], column, {key[0] for key in rows})
            else:
                dates = f"{cursor} >= {moment(begins)} AND {cursor} < {moment(ends + 1)}"
                held = self._held.rows(name, self._kinds[name], dates)
            by_key = self._each_once(name, held)
            found += self._compared(name, rows, by_key, extra=whole and not also_made_of_others)
            fresh = rows.keys() - self._met[name]
            self._met[name] |= fresh
            self.found[name].looked_at += len(fresh)
            self.found[name].sampled += len(fresh & by_key.keys())
        return found

    def _events(self, params: Mapping[str, Any]) -> Iterator[list[Row]]:
        """Yields pages that hold every event of a list whose end lies in the past, an event perhaps twice."""
        listing = replace(self._account.listing(EVENTS, params), limit=DOCUMENTED, own_order=True)
        yield from (page.rows for page in in_passes(listing, lasting=True))

    # Comparison

    def _rows(self, name: str, resource: Resource, records: Iterable[Row]) -> Iterator[Row]:
        """Yields the rows that a stream makes of records, as a sync does."""
        stream, records = self._incremental(name), list(records)
        if resource is EVENTS and stream.kinds:
            records = [record for record in records if record.get("type") in stream.kinds]
        context = stream.context(resource)
        stream.prepare(records, context)
        for record in records:
            yield from stream.rows(record, context)

    def _by_key(self, name: str, rows: Iterable[Row]) -> dict[Key, Row]:
        kinds = self._kinds[name]
        made = ({column: normal(kinds[column], row.get(column)) for column in kinds} for row in rows)
        return {self._key(name, row): row for row in made}

    def _each_once(self, name: str, rows: Iterable[Row]) -> dict[Key, Row]:
        """Returns the table's rows by key."""
        found = dict[Key, Row]()
        for row in rows:
            key = self._key(name, row)
            if key in found:
                self._met_again(name, key)
            found[key] = row
        return found

    def _met_again(self, name: str, key: Key) -> None:
        """Counts, once, a key that a table has more than once: no moment of a sync explains it."""
        if key not in self._repeated[name]:
            self._repeated[name].add(key)
            self.found[name].extra += 1
            self.found[name].note("twice", key)

    def _key(self, name: str, row: Row) -> Key:
        return tuple(row[column] for column in self._streams[name].primary_key)

    def _compared(
        self, name: str, rows: Mapping[Key, Row], held: Mapping[Key, Row], *, extra: bool, ignored: Collection[str] = ()
    ) -> Iterator[Difference]:
        """Compares the account's rows with the table's. With `extra`, the account has no other rows than these."""
        left_out = {READ_AT, *UNDATED.get(name, ()), *REPEATED, *ignored}
        for key, row in rows.items():
            created, updated = _second(row.get("created_at")), _second(row.get("updated_at"))
            there = held.get(key)
            columns = tuple(c for c, value in (there or {}).items() if c not in left_out and value != row[c])
            if there is None or columns:
                kind = "missing" if there is None else "unequal"
                yield Difference(name, key, kind, Entity("", None), columns, created, updated)
        for key in (held.keys() - rows.keys()) if extra else ():
            yield Difference(name, key, "extra", Entity("", None))

    def _compared_records(
        self, resource: Resource, records: Iterable[Row], scope: Span | Collection[int]
    ) -> list[Difference]:
        """Compares all streams made of a list with its records of a scope: all live entities of the scope."""
        known = {number: record for record in records if (number := numeric_id(record.get("id"))) is not None}
        with self._held.at_one_moment():
            return self._differences_of_records(resource, known, scope)

    def _differences_of_records(
        self, resource: Resource, known: Mapping[int, Row], scope: Span | Collection[int]
    ) -> list[Difference]:
        found, live = list[Difference](), dict[int, Row]()
        main = self._main(resource)
        if main:
            column, also = self._id_column(main), self._of(resource)
            there = self._each_once(main, self._held.rows_with(main, self._kinds[main], column, scope, also))
            held = {row[column]: row for row in there.values()}
            live = {number: row for number, row in held.items() if not row.get("is_deleted")}
            found += self._compared_entities(main, resource, known, live)
        for name in self._made_of(resource):
            if name != main:
                found += self._compared_parts(name, resource, known, live if main else None)
        return found

    def _compared_entities(
        self, name: str, resource: Resource, known: Mapping[int, Row], live: Mapping[int, Row]
    ) -> Iterator[Difference]:
        column, cursor = self._id_column(name), self._incremental(name).cursor_field
        finding = self.found[name]
        made = {row[column]: row for row in self._by_key(name, self._rows(name, resource, known.values())).values()}
        finding.looked_at += 0 if resource in CARDS else len(made)
        for number, row in made.items():
            there, updated = live.get(number), _second(row.get(cursor))
            held_at = _second(there.get(cursor)) if there else None
            key = self._key(name, row)
            if there and (updated or 0) > (held_at or 0):
                found: Iterable[Difference] = [Difference(name, key, "stale", Entity("", None))]
            else:
                # a row that came back is dated no earlier than its return
                newer = {cursor, "date"} if (held_at or 0) > (updated or 0) else set()
                found = self._compared(name, {key: row}, {key: there} if there else {}, extra=False, ignored=newer)
                finding.sampled += there is not None
            for one in found:
                yield replace(
                    one,
                    entity=Entity(resource.entity, number),
                    created=_second(row.get("created_at")),
                    updated=updated,
                    owner=_owner(row),
                )
        for number in live.keys() - made.keys():
            there = live[number]
            yield Difference(
                name,
                self._key(name, there),
                "extra",
                Entity(resource.entity, number),
                created=_second(there.get("created_at")),
                updated=_second(there.get(cursor)),
                owner=_owner(there),
            )

    def _compared_parts(
        self, name: str, resource: Resource, known: Mapping[int, Row], live: Mapping[int, Row] | None
    ) -> Iterator[Difference]:
        """Compares the rows that a stream makes of records with the current rows of its table.

        `live`: the rows of the records in the main table, None if there is none. A stale card's parts are left out.
        """
        stream, kinds = self._incremental(name), self._kinds[name]
        of_cards = isinstance(stream, PartsStream)
        column = stream.primary_key[0] if of_cards else "note_id"
        cursor = stream.cursor_field
        dates = {number: seconds(record.get("updated_at")) or 0 for number, record in known.items()}
        if live is not None:
            dates = {
                number: held_at
                for number, updated in dates.items()
                if number in live and (held_at := _second(live[number].get("updated_at")) or 0) >= updated
            }
        rows = self._by_key(name, self._rows(name, resource, (known[number] for number in dates)))
        held = self._held.rows_with(name, kinds, column, [*dates], self._of(resource)) if dates else []
        of_live = {number: row.get(READ_AT) for number, row in (live or {}).items()}
        newest = _newest(held, column) if live is None else of_live
        current = [row for row in held if not of_cards or row.get(READ_AT) == newest[row[column]]]
        by_key = self._each_once(name, current)
        finding = self.found[name]
        finding.looked_at += len(rows)
        finding.sampled += len(rows.keys() & by_key.keys())
        for one in self._compared(name, rows, by_key, extra=of_cards, ignored={cursor, "date"} if of_cards else ()):
            number = (rows.get(one.key) or by_key[one.key])[column]
            record = known[number]
            yield replace(
                one,
                entity=Entity(resource.entity, number),
                created=seconds(record.get("created_at")),
                updated=seconds(record.get("updated_at")),
            )

    def _id_column(self, name: str) -> str:
        return self._streams[name].primary_key[-1]

    def _of(self, resource: Resource) -> str:
        """Returns the condition in SQL for the rows of one list, in tables that are made of several."""
        return f"element_type = {ELEMENT_TYPE[resource.name]}" if resource in NOTES else "true"

    # Verdict

    def _settle_again(self, resource: Resource, found: list[Difference]) -> None:
        """Reads what differs once more from both sides, and counts what still differs."""
        ids = list(dict.fromkeys(one.entity.number for one in found))[:MOST_READ_AGAIN]
        if ids:
            before = {name: replace(self.found[name]) for name in self._made_of(resource)}
            again = self._compared_records(resource, self._by_ids(resource, ids), ids)
            for name, finding in before.items():  # the second look counts no row twice
                self.found[name].looked_at, self.found[name].sampled = finding.looked_at, finding.sampled
            compared = {one.stream for one in found}
            found = [one for one in again if one.stream in compared] + [
                one for one in found if one.entity.number not in set(ids)
            ]
        self._settle(found)

    def _settle(self, found: list[Difference]) -> None:
        if found:
            self._read_events()
        for one in found:
            finding = self.found[one.stream]
            verdict = self._verdict(one)
            if verdict == "since":
                finding.changed_since += 1
            elif verdict == "fault":
                finding.unequal.update(one.columns)
                if one.kind != "unequal":
                    setattr(finding, one.kind, getattr(finding, one.kind) + 1)
                finding.note(" ".join([one.kind, *one.columns]), one.key)

    def _verdict(self, one: Difference) -> str:
        """Returns "fault"; or "since" if the last sync could not know; or "ignored" if no sync can know."""
        began, config, stream = self._began[one.stream], self._account.config, self._streams[one.stream]
        if one.kind == "extra" and not config.mark_deleted and one.entity.kind and not isinstance(stream, PartsStream):
            return "ignored"
        if one.kind != "extra" and one.updated is not None and config.start and one.updated < config.start:
            return "ignored"
        if one.kind == "stale" and one.updated is not None:
            return "fault" if one.updated < began else "since"
        if one.created is not None and one.created >= began:
            return "since"
        if not one.entity.kind:
            return "since" if (one.updated or 0) >= began or one.stream in LEAVING else "fault"
        if one.kind == "unequal" and (one.updated or 0) >= began:
            return "since"
        return self._verdict_of_events(one)

    def _verdict_of_events(self, one: Difference) -> str:
        began, since = self._began[one.stream], self._since
        if not since.complete:
            return "since" if (one.updated or 0) >= began or one.kind == "extra" else "fault"
        if isinstance(self._streams[one.stream], PartsStream):
            if since.names(one.entity) or (one.updated or 0) >= began:
                return "since"
            # a link or a tag may leave a card without a new date, and then looks current as long as the card does
            undated = one.kind == "extra" and not isinstance(self._streams[one.stream], FieldRowStream)
            return "ignored" if undated and self._was_unlinked(one) else "fault"
        if one.kind == "missing":
            return "since" if since.names(one.entity, CAME) or since.names(one.owner, CAME) else "fault"
        if one.kind == "unequal":
            return "since" if since.names(one.entity) or since.names(one.owner, LINKS) else "fault"
        if since.names(one.entity, GONE) or since.names(one.owner, GONE):
            return "since"
        if since.merged:
            since.merged -= 1
            return "since"
        return "fault"

    def _was_unlinked(self, one: Difference) -> bool:
        """Whether an event tells that a link or a tag left the card after the card's date."""
        params = {"filter[entity]": one.entity.kind, "filter[entity_id][]": [one.entity.number]}
        listing = replace(self._account.listing(EVENTS, params), limit=DOCUMENTED, own_order=True)
        kinds = (row.get("type") for page in one_pass(listing) for row in page.rows)
        return any(kind in LINKS for kind in kinds)

    def _read_events(self) -> None:
        """Reads the events since the last sync, or since the last reading of them: people go on working."""
        since, begins = self._since, self._events_until
        self._events_until = int(self._account.clocks.moment().server_time) - SLACK
        for page in self._events({"filter[created_at][from]": begins}) if since.complete else ():
            for event in page:
                if event.get("id") not in since.met:
                    since.add(event)
            if len(since.met) >= MOST_EVENTS:
                since.complete = False
                break


def _stream(name: str, account: Account) -> AmocrmStream:
    """Returns the stream with all columns that it has in this account."""
    account.extras.update(STREAMS[name].account_extras)
    return STREAMS[name](account, STREAMS[name](account).get_json_schema()["properties"])


def _kinds(stream: AmocrmStream) -> dict[str, str]:
    return {column: column_kind(schema) for column, schema in stream.get_json_schema()["properties"].items()}


def _joined(
    account: Iterable[tuple[int, int]], held: Iterable[tuple[int, int, bool]]
) -> Iterator[tuple[int, int | None, tuple[int, int, bool] | None]]:
    """Joins two lists in the order of IDs. Yields ID, the account's date and the table's row, None where missing."""
    ours, theirs = iter(account), iter(held)
    one, other = next(ours, None), next(theirs, None)
    while one or other:
        if other is None or (one and one[0] < other[0]):
            assert one
            yield one[0], one[1], None
            one = next(ours, None)
        elif one is None or other[0] < one[0]:
            yield other[0], None, other
            other = next(theirs, None)
        else:
            yield one[0], one[1], other
            one, other = next(ours, None), next(theirs, None)


def _newest(parts: Iterable[Row], column: str) -> dict[int, Any]:
    """Returns the newest reading of each card, by the rows of its parts alone."""
    newest = dict[int, Any]()
    for row in parts:
        newest[row[column]] = max(newest.get(row[column]), row.get(READ_AT), key=lambda at: str(at or ""))
    return newest


def _owner(row: Row) -> Entity | None:
    kind = ELEMENT.get(row.get("element_type") or 0)
    return Entity(kind, row.get("element_id")) if kind else None


def _named(event: Row) -> Iterator[Entity]:
    """Yields the entities that an event names: its own, linked ones, and notes."""
    yield Entity(str(event.get("entity_type")), event.get("entity_id"))
    for change in (*as_list(event.get("value_after")), *as_list(event.get("value_before"))):
        for link in (child(change, "link"), child(change, "unlink")):
            if type(linked := child(link, "entity")) is dict:
                yield Entity(str(linked.get("type")), linked.get("id"))
        if type(note := child(change, "note")) is dict:
            yield Entity("note", note.get("id"))


def _second(value: Any) -> int | None:
    return None if value is None else int(value.timestamp())
