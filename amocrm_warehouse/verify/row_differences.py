"""What differs: compares records of the account with the rows of its tables, column by column.

Shares the row functions and the HTTP client with the sync, and nothing else: no cursor, no state, no walk by date.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from operator import itemgetter
from typing import Any, NamedTuple

from amocrm_warehouse.column_kind import column_kind
from amocrm_warehouse.verify.findings import Finding
from amocrm_warehouse.verify.held_tables import HeldTables, Key, Row, Span, normal, window
from source_amocrm.account import Account, Resource
from source_amocrm.account.resources import CARDS, EVENTS, NOTES
from source_amocrm.engine.stream_interface import READ_AT, Context, with_parameter
from source_amocrm.streams import STREAMS
from source_amocrm.streams.activity import ELEMENT_TYPE
from source_amocrm.streams.base import AmocrmStream, FullRefreshStream, IncrementalStream, PartsStream
from source_amocrm.walk.listing import numeric_id, seconds

LIVE, TWICE = "live_entities", "twice"
NOT_COMPARED = frozenset({"raw", "listed_at", READ_AT})
"""Columns that repeat others, or tell when a sync read the row."""
UNDATED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("deals", "contacts", "companies", "customers"), frozenset({"closest_task_at", "loss_reason_name"})
    ),
    "messages": frozenset({"delivery_status"}),
    "account": frozenset({"drive_url"}),
}
"""Columns that change without a date or an event, all the time. What differs is counted apart."""
LINKS = {
    "leads": "lead",
    "contacts": "contact",
    "main_contact": "contact",
    "companies": "company",
    "company": "company",
    "customers": "customer",
}
"""Columns with the IDs of linked cards, and what events call such a card."""


class Place(NamedTuple):
    """Where a row of the account is read again.

    `kind`: "list" (the short list of the stream `name`), "record" (the entity `number` of the list at the path `name`),
    "trash" (that entity in the trash) or "second" (the events of the second `number`).
    """

    kind: str
    name: str
    number: int = 0


@dataclass(frozen=True)
class Difference:
    """A row that differs. `kind`: missing, extra, twice, stale (the account's date is newer), unequal, or without: the
    table lacks the column `key`.

    `values`: digests of the account's values, by column that differs, or the links that differ, see `_value`;
    of a row that the table lacks, of its date or of the row; of one that the account lacks, the table's date.
    """

    stream: str
    key: Key
    kind: str
    place: Place
    values: Mapping[str, str] = field(default_factory=dict)


DATE = "updated_at"
PlaceOf = Callable[[Row], Place]


class RowDifferences:
    """Compares rows of an account, as it is now, with the tables, and counts them in `found`, by stream.

    Opened anew for each look, because an account requests each short list once.
    """

    def __init__(self, account: Account, held: HeldTables) -> None:
        self.account, self.held = account, held
        self.streams = {name: _stream(name, account) for name in STREAMS if name in held.columns}
        self.incremental = {name: one for name, one in self.streams.items() if isinstance(one, IncrementalStream)}
        self._kinds = {
            name: {column: column_kind(schema) for column, schema in one.get_json_schema()["properties"].items()}
            for name, one in self.streams.items()
        }
        self.found = {name: Finding(whole=True) for name in self.streams}
        self._met = defaultdict[str, set[Key]](set)
        self.counted = set[str]()
        """Streams whose rows that were looked at are counted by the list of all IDs."""

    def made_of(self, resource: Resource) -> list[str]:
        """Returns the streams made of a list, first the one that has a row for each of its entities."""
        made = {name: one for name, one in self.incremental.items() if resource in one.inputs()}
        return sorted(made, key=lambda name: not made[name].deletable)

    def main(self, resource: Resource) -> str | None:
        """Returns the stream that has a row for each entity of the list, if the database has its table."""
        names = self.made_of(resource)
        return names[0] if names and self.incremental[names[0]].deletable else None

    def id_column(self, name: str) -> str:
        return self.streams[name].primary_key[-1]

    def params(self, resource: Resource) -> dict[str, Any]:
        """Returns the `with` parameters that the rows of a list need."""
        streams = self.made_of(resource)
        return dict(with_parameter({extra for name in streams for extra in self.incremental[name].wanted_extras()}))

    def without_columns(self, name: str) -> list[Difference]:
        """Finds the columns that the table lacks."""
        lacked = sorted(self._kinds[name].keys() - self.held.columns[name] - NOT_COMPARED)
        return [Difference(name, (column,), "without", Place("list", name), {column: ""}) for column in lacked]

    def of_short_list(self, name: str) -> Iterator[Difference]:
        """Compares every row of the list. Leaves out rows of which each would cost a request of its own."""
        stream, finding = self.streams[name], self.found[name]
        assert isinstance(stream, FullRefreshStream)
        parts = bool(stream.completing_paths)
        if parts:
            records = stream.account.dictionary(stream.list_path, stream.collection)
            made: Iterable[Row] = [row for record in records for row in stream.rows(record, Context())]
        else:
            made = stream.read_records()
        held = self.held.rows(name, self._kinds[name])
        yield from self._compared(name, made, held, lambda _: Place("list", name), extra=not parts)
        finding.whole, finding.account = not parts, None if parts else finding.looked_at

    def of_records(self, resource: Resource, records: Iterable[Row], scope: Span | Collection[int]) -> list[Difference]:
        """Compares all streams made of a list with its records of a scope: all live entities of the scope."""
        known = {number: record for record in records if (number := numeric_id(record.get("id"))) is not None}
        main, found, cards, deleted = self.main(resource), list[Difference](), None, set[int]()
        of_list = f"element_type = {ELEMENT_TYPE[resource.name]}" if resource in NOTES else "true"
        for name in self.made_of(resource):  # the main one first
            stream, column = self.incremental[name], self.id_column(name) if name == main else "note_id"
            if isinstance(stream, PartsStream):
                found += self._of_parts(name, resource, known, cards)
                continue
            held = self.held.rows_with(name, self._kinds[name], column, scope, of_list)
            live = [row for row in held if not row.get("is_deleted")]
            if name == main:
                cards = {row[column]: row for row in live}
                deleted = {row[column] for row in held} - cards.keys() - known.keys()
            # no sync removes the call of a note that was deleted: the note tells it
            live, marks = [row for row in live if row[column] not in deleted], self.account.config.mark_deleted
            rows = self._rows(name, resource, known.values())
            found += self._compared(name, rows, live, self._record(resource, column), extra=marks)
        if resource in CARDS and LIVE in self.streams:
            kinds, of_list = {"entity_id": "integer", DATE: "time"}, f"entity_type = '{resource.name}'"
            listed = defaultdict[int, list[int]](list)
            for row in self.held.rows_with(LIVE, kinds, "entity_id", scope, of_list):
                listed[row["entity_id"]].append(second_of(row[DATE]))
            for number in known.keys() | listed.keys():
                ours = seconds(known[number].get(DATE)) or 0 if number in known else None
                found += by_date(LIVE, resource, number, ours, listed[number])
        return found

    def _of_parts(
        self, name: str, resource: Resource, known: Mapping[int, Row], cards: Mapping[int, Row] | None
    ) -> Iterator[Difference]:
        """Compares the parts of cards with the current rows of their table.

        `cards`: the live rows of the cards, None without their table: then nothing shows that a card's last part is
        gone. The parts of a card that is stale or missing are left out.
        """
        column, date = self.streams[name].primary_key[0], self.incremental[name].cursor_field
        wanted = [
            one
            for one in known
            if cards is None or (one in cards and second_of(cards[one][DATE]) >= (seconds(known[one].get(DATE)) or 0))
        ]
        held = self.held.rows_with(name, self._kinds[name], column, wanted)
        # a card that came back from the trash is dated by its return, and so are its parts
        dated: Mapping[int, Row] = cards or {
            row[column]: {**row, DATE: row[date]} for row in sorted(held, key=lambda row: str(row[READ_AT] or ""))
        }
        current = [row for row in held if row[READ_AT] == dated[row[column]][READ_AT]]
        rows = self._rows(name, resource, (known[one] for one in wanted))
        made = ({**row, date: dated.get(row[column], {}).get(DATE)} for row in rows)
        yield from self._compared(name, made, current, self._record(resource, column), extra=cards is not None)

    def of_events(self, records: Collection[Row], begins: int, ends: int, *, whole: bool) -> Iterator[Difference]:
        """Compares the events of these seconds, both included, with the rows of all streams that are made of them.

        `whole`: the records are all of these seconds. Otherwise only rows that the table lacks are looked for.
        """
        for name in self.made_of(EVENTS):
            cursor, key = self.incremental[name].cursor_field, self.streams[name].primary_key[0]
            rows = [*self._rows(name, EVENTS, records)]
            scope, keys = f"{key} = ANY($keys)", {row[key] for row in rows}
            if whole:
                chats = " AND note_id IS NULL" if name == "messages" else ""
                scope += f" OR {window(cursor, begins, ends)}{chats}"
            held = self.held.rows(name, self._kinds[name], scope, keys=[*keys])

            def place(row: Row, cursor: str = cursor) -> Place:
                return Place("second", EVENTS.path, second_of(row[cursor]))

            yield from self._compared(name, rows, held, place)

    def _rows(self, name: str, resource: Resource, records: Iterable[Row]) -> Iterator[Row]:
        """Yields the rows that a stream makes of records, as a sync does."""
        stream, records = self.incremental[name], list(records)
        if resource is EVENTS and stream.kinds:
            records = [record for record in records if record.get("type") in stream.kinds]
        context = stream.context(resource)
        stream.prepare(records, context)
        for record in records:
            yield from stream.rows(record, context)

    def _record(self, resource: Resource, column: str) -> PlaceOf:
        return lambda row: Place("record", resource.path, row[column])

    def _compared(
        self,
        name: str,
        made: Iterable[Row],
        held: Iterable[Row],
        place: PlaceOf,
        *,
        extra: bool = True,
    ) -> Iterator[Difference]:
        """Compares the account's rows with the table's, of one scope, and counts them.

        `extra`: whether a row that the account does not have differs.
        """
        stream, finding, kinds = self.streams[name], self.found[name], self._kinds[name]
        left_out = {*NOT_COMPARED, stream.lookup.column if stream.lookup else ""}
        rows, there = dict[Key, Row](), dict[Key, Row]()
        for row in made:
            own = {column: normal(kinds[column], row.get(column)) for column in kinds}
            rows[tuple(own[column] for column in stream.primary_key)] = own
        for row in held:
            key = tuple(row[column] for column in stream.primary_key)
            if key in there:
                yield Difference(name, key, TWICE, place(row))
            there[key] = row
        fresh = rows.keys() - self._met[name]
        self._met[name] |= fresh
        finding.looked_at += 0 if name in self.counted else len(fresh)
        finding.sampled += len(fresh & there.keys())
        unequal = {key: _unequal(rows[key], there[key], left_out) for key in rows.keys() & there.keys()}
        emptied = [key for key, columns in unequal.items() if any(there[key][column] is None for column in columns)]
        for key in self.held.forgotten(name, emptied):
            unequal[key] = [column for column in unequal[key] if there[key][column] is not None]
        for key, row in rows.items():
            if key not in there:
                whole = _digest(sorted(row.items(), key=itemgetter(0)))
                version = str(second_of(row[DATE])) if stream.cursor_field == DATE else whole
                yield Difference(name, key, "missing", place(row), {DATE: version})
            elif unequal[key]:
                yield from self._judged(name, key, row, there[key], unequal[key], place(row))
        for key in there.keys() - rows.keys() if extra else ():
            dated = {DATE: str(second_of(there[key][DATE]))} if stream.cursor_field == DATE else {}
            yield Difference(name, key, "extra", place(there[key]), dated)

    def _judged(
        self, name: str, key: Key, row: Row, there: Row, columns: list[str], place: Place
    ) -> Iterator[Difference]:
        """Yields the difference of a row. Of a row whose date is older in the table, the date alone."""
        undated = UNDATED.get(name, frozenset())
        if self.streams[name].cursor_field == DATE in columns:
            ours, theirs = second_of(row[DATE]), second_of(there[DATE])
            if ours > theirs:
                yield Difference(name, key, "stale", place, {DATE: str(ours)})
                return
            if {DATE, "date"}.issuperset(columns):  # a card that came back from the trash is dated by its return
                undated = undated | {DATE, "date"}
        self.found[name].uncounted.update(column for column in columns if column in undated and column != "date")
        values = {column: _value(column, row[column], there[column]) for column in columns if column not in undated}
        if values:
            yield Difference(name, key, "unequal", place, values)


def by_date(name: str, resource: Resource, number: int, ours: int | None, theirs: list[int]) -> list[Difference]:
    """Compares the date (Unix seconds) of a card in the account, None without the card, with those of its live rows."""
    key, place = (resource.name, number) if name == LIVE else (number,), Place("record", resource.path, number)
    found = [Difference(name, key, TWICE, place)] if len(theirs) > 1 else []
    if ours is None:
        return [*found, Difference(name, key, "extra", place, {DATE: str(theirs[0])})] if theirs else []
    kind = "missing" if not theirs else "stale" if ours > theirs[0] else None
    return [*found, Difference(name, key, kind, place, {DATE: str(ours)})] if kind else found


def _stream(name: str, account: Account) -> AmocrmStream:
    """Returns the stream with all columns that it has in this account."""
    account.extras.update(STREAMS[name].account_extras)
    return STREAMS[name](account, STREAMS[name](account).get_json_schema()["properties"])


def _unequal(row: Row, there: Row, left_out: Collection[str]) -> list[str]:
    return [column for column in there.keys() & row.keys() - left_out if there[column] != row[column]]


def second_of(value: datetime | None) -> int:
    return int(value.timestamp()) if value else 0


def _value(column: str, ours: Any, theirs: Any) -> str:
    """Returns the links that differ and what the account has of them, or a digest.

    Of two main contacts or companies, the table's is the link that differs.
    """
    if column not in LINKS:
        return _digest(ours)
    if not isinstance(ours, list):
        return f"[{theirs or ours}] {ours}"
    differ = sorted({*ours} ^ {*(theirs or ())})
    return f"{json.dumps(differ)} {[one for one in differ if one in ours]}" if differ else _digest(ours)


def _digest(value: Any) -> str:
    return blake2b(repr(value).encode(), digest_size=8).hexdigest()
