"""Which values of which rows a person's card takes along when it is forgotten, as conditions in SQL.

A table of the project remembers ids and no value. What its rows say is applied to rows that are there (`erase`), and to
rows on their way into the tables (`selected`), so that no later sync brings the values back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from amocrm_warehouse.sync.arrow_table import Shape
from amocrm_warehouse.sync.destination import Destination, literal, quoted
from source_amocrm.streams import STREAMS, schema
from source_amocrm.streams.personal_data import IMPERSONAL, OLD_TYPES

FORGOTTEN = Shape(
    "forgotten",
    {"stream": "string", "id": "string", "part": "string", "reason": "string", "forgotten_at": "time"},
    ["stream", "id", "part"],
)
"""The table of what is forgotten: rows of a stream, by the values of their key with / between them. `part`: the only
column; empty for all columns with personal data."""
ASKED, DELETED, FOUND = "asked", "deleted", "found"
"""Reasons: somebody asked for this contact, or it has this main contact; amoCRM has deleted it long ago; the row itself
holds a phone, an address or a name of a person who is forgotten. A FOUND row takes no other row along."""
DAYS_IN_THE_TRASH = 30
"""Days for which amoCRM's trash can bring a deleted contact back with its notes and calls."""
CONTACTS, FIELDS = "contacts", "custom_fields_contacts"
CARDS = ("contacts", "companies", "deals", "customers")
PEOPLE = ("contacts", "deals", "customers")
"""The cards that take the rows about them along."""
CARDS_OF_CONTACTS = {"deals", "customers"}
"""The cards that have a main contact."""
OF_CONTACTS = ("contacts", "custom_fields_contacts", "contact_field_changes")
"""The tables in which a forgotten contact leaves no value of any custom field."""
OPTIONS = ("enum", "enum_code", "enums_new", "enums_old")
STAYS = ("users",)
"""Tables of colleagues, whom nobody forgets here."""
KEPT_TYPES = sorted(IMPERSONAL | {str(number) for number, name in OLD_TYPES.items() if name in IMPERSONAL})
"""The types of custom fields whose values stay in deals, by name and by the number in events."""
MARKED = "CAST({column} AS VARCHAR) IN (SELECT id FROM {marks} WHERE stream = '{stream}' AND reason <> '" + FOUND + "')"
LISTED = (
    "EXISTS (SELECT 1 FROM {marks} AS marks WHERE marks.stream = '{stream}' AND marks.reason <> '" + FOUND + "' AND "
    "replace(replace(replace(CAST({column} AS VARCHAR), '[', ','), ']', ','), ' ', '') LIKE '%,' || marks.id || ',%')"
)
MAIN_CONTACT = """
    SELECT '{stream}', CAST({key} AS VARCHAR), '', 'asked', current_timestamp FROM {table}
    WHERE EXISTS (
        SELECT 1 FROM {marks} AS marks WHERE marks.stream = 'contacts' AND marks.reason = 'asked' AND (
            CAST(main_contact AS VARCHAR) = marks.id
            OR replace(CAST(contacts AS VARCHAR), ' ', '') = '[' || marks.id || ']'
        )
    ) AND CAST({key} AS VARCHAR) NOT IN (SELECT id FROM {marks} WHERE stream = '{stream}' AND part = '')
"""
"""The cards whose main or only contact is forgotten."""


class Erased(NamedTuple):
    """The rows of a table that lost values, and the columns."""

    table: str
    rows: int
    columns: list[str]


class Forgotten(NamedTuple):
    """What was emptied; the regular expression of the people's phones, addresses and names, if any are known; the ids
    of other contacts that have one of these; the contacts that the tables do not have."""

    erased: list[Erased]
    pattern: str | None
    same_people: list[int]
    unknown: list[int]


class ForgottenCards:
    """`name`: returns a table's name for SQL, by stream. `columns`: returns the columns of a stream's table."""

    def __init__(
        self, database: Destination, name: Callable[[str], str], columns: Callable[[str], Collection[str]]
    ) -> None:
        self._database, self._name, self._columns = database, name, columns

    @property
    def marks(self) -> str:
        return self._name(FORGOTTEN.stream)

    def selected(self, stream: str, columns: Iterable[str], rows: str) -> str:
        """Returns the SELECT of a relation's rows, without the values that are forgotten."""
        columns = [*columns]
        gone = conditions(stream, columns, self.marks)
        values = (
            f"CASE WHEN {gone[one]} THEN NULL ELSE {quoted(one)} END AS {quoted(one)}" if one in gone else quoted(one)
            for one in columns
        )
        return f"SELECT {', '.join(values)} FROM {rows}"

    def forget(self, contacts: Collection[int]) -> Forgotten:
        """Marks contacts and whatever tells of them, and empties it."""
        pattern, unknown = pattern_of(self._texts_of(contacts)), self._unknown(contacts)
        for one in contacts:
            self._database.execute(f"DELETE FROM {self.marks} WHERE stream = '{CONTACTS}' AND id = '{one}'")
            values = f"'{CONTACTS}', '{one}', '', '{ASKED}', current_timestamp"
            self._database.execute(f"INSERT INTO {self.marks} VALUES ({values})")
        self._mark_cards_of_contacts()
        if pattern:
            self._mark_rows_with(pattern)
        erased = self.erase()
        return Forgotten(erased, pattern, self._same_people(contacts, pattern) if pattern else [], unknown)

    def _unknown(self, contacts: Collection[int]) -> list[int]:
        """Returns the contacts that the tables do not have. A contact that was forgotten keeps its row."""
        if "contact_id" not in self._columns(CONTACTS):
            return []
        listed = ", ".join(map(str, contacts))
        rows = self._database.query(f"SELECT contact_id FROM {self._name(CONTACTS)} WHERE contact_id IN ({listed})")
        return sorted({*contacts} - {one for (one,) in rows})

    def _texts_of(self, contacts: Collection[int]) -> list[str]:
        """Returns the names, phones and addresses of contacts, as their rows and the versions of these have them."""
        chosen, texts = f"WHERE contact_id IN ({', '.join(map(str, contacts))})", list[str]()
        names = "name, concat(first_name, ' ', last_name), concat(last_name, ' ', first_name)"
        columns = f"{names}, CAST(phones AS VARCHAR), CAST(emails AS VARCHAR)"
        for version in ("", "_history"):
            if {"name", "first_name", "last_name", "phones", "emails"} <= {*self._columns(table := CONTACTS + version)}:
                cards = self._database.query(f"SELECT {columns} FROM {self._name(table)} {chosen}")
                for *own, phones, emails in cards:
                    texts += filter(None, own)
                    texts += [str(text) for document in (phones, emails) if document for text in json.loads(document)]
            if {"field_code", "value"} <= {*self._columns(table := FIELDS + version)}:
                values = f"SELECT value FROM {self._name(table)} {chosen} AND field_code IN ('PHONE', 'EMAIL')"
                texts += [text for (text,) in self._database.query(values) if text]
        return texts

    def _same_people(self, contacts: Collection[int], pattern: str) -> list[int]:
        columns = [one for one in ("name", "phones", "emails") if one in self._columns(CONTACTS)]
        like = " OR ".join(holds(one, pattern, self._database) for one in columns) or "false"
        found = self._database.query(f"SELECT contact_id FROM {self._name(CONTACTS)} WHERE {like} ORDER BY 1")
        return [one for (one,) in found if one not in contacts]

    def follow_contacts(self) -> None:
        """Marks new cards of the contacts that were asked for, and empties what tells of these people."""
        if self._mark_cards_of_contacts():
            self.erase()

    def _mark_cards_of_contacts(self) -> bool:
        """Marks deals and customers whose main or only contact was asked for. Returns whether there are new ones."""
        found = False
        for stream in sorted(CARDS_OF_CONTACTS):
            [key] = schema.key(stream)
            if {"main_contact", "contacts"} <= {*self._columns(stream)}:
                some = MAIN_CONTACT.format(stream=stream, key=key, table=self._name(stream), marks=self.marks)
                found |= self._insert(some)
        return found

    def _mark_rows_with(self, pattern: str) -> None:
        """Marks the rows that hold a text like `pattern` in a column with personal data: of a card that column, of any
        other row all such columns. Other contacts are left alone: each is a person of its own."""
        for stream, columns in self._tables():
            if stream in OF_CONTACTS:
                continue
            parts = [(one, [one]) for one in columns] if stream in CARDS else [("", columns)]
            listed = ", ".join(map(quoted, dict.fromkeys((*schema.key(stream), *columns))))
            for part, searched in parts:
                like = " OR ".join(holds(one, pattern, self._database) for one in searched)
                key = key_of(stream)
                tables = [stream, *([history] if self._columns(history := f"{stream}_history") else [])]
                rows = " UNION ALL ".join(f"SELECT {listed} FROM {self._name(one)}" for one in tables)
                self._insert(
                    f"SELECT DISTINCT '{stream}', {key}, '{part}', '{FOUND}', current_timestamp FROM ({rows}) AS held "
                    f"WHERE ({like}) AND {key} NOT IN (SELECT id FROM {self.marks} WHERE stream = '{stream}' AND part "
                    f"IN ('', '{part}'))"
                )

    def let_return(self, rows: str) -> bool:
        """Forgets that contacts were deleted which amoCRM shows again. Returns whether there are any."""
        back = (
            f"stream = 'contacts' AND reason = '{DELETED}' AND id IN (SELECT CAST(contact_id AS VARCHAR) FROM {rows} "
            "WHERE NOT coalesce(is_deleted, false))"
        )
        found = self._database.query(f"SELECT 1 FROM {self.marks} WHERE {back} LIMIT 1")
        if found:
            self._database.execute(f"DELETE FROM {self.marks} WHERE {back}")
        return bool(found)

    def are_there_deleted(self) -> bool:
        """Whether there are contacts that left amoCRM's trash."""
        return bool(self._database.query(f"{self._deleted()} LIMIT 1"))

    def forget_deleted(self) -> None:
        """Marks the contacts that left amoCRM's trash, and empties what tells of them alone."""
        known = f"SELECT id FROM {self.marks} WHERE stream = '{CONTACTS}' AND part = ''"
        if self._insert(f"{self._deleted()} AND CAST(contact_id AS VARCHAR) NOT IN ({known})"):
            self.erase()

    def _deleted(self) -> str:
        return (
            f"SELECT '{CONTACTS}', CAST(contact_id AS VARCHAR), '', '{DELETED}', current_timestamp "
            f"FROM {self._name(CONTACTS)} WHERE is_deleted AND updated_at < current_timestamp - "
            f"INTERVAL '{DAYS_IN_THE_TRASH} days'"
        )

    def _insert(self, rows: str) -> bool:
        found = self._database.query(f"SELECT 1 FROM ({rows}) AS found LIMIT 1")
        if found:
            self._database.execute(f"INSERT INTO {self.marks} {rows}")
        return bool(found)

    def erase(self) -> list[Erased]:
        """Empties what is forgotten in all tables."""
        found = []
        tables = [(stream, f"{stream}{version}") for stream, _ in self._tables() for version in ("", "_history")]
        for stream, table in tables:
            by_condition: dict[str, list[str]] = {}
            for column, condition in conditions(stream, self._columns(table), self.marks).items():
                by_condition.setdefault(condition, []).append(column)
            rows, emptied, name = 0, list[str](), self._name(table)
            for condition, columns in by_condition.items():
                counts = ", ".join(f"count({quoted(one)})" for one in columns)
                [counted] = self._database.query(f"SELECT {counts} FROM {name} WHERE {condition}")
                if there := [one for one, count in zip(columns, counted, strict=True) if count]:
                    emptied += there
                    rows = max(rows, *counted)
                    values = ", ".join(f"{quoted(one)} = NULL" for one in there)
                    self._database.execute(f"UPDATE {name} SET {values} WHERE {condition}")
            if emptied:
                found.append(Erased(table, rows, sorted(emptied)))
        return found

    def _tables(self) -> Iterator[tuple[str, list[str]]]:
        """Yields the tables that can hold personal data, with these columns."""
        for stream in STREAMS:
            if (there := {*self._columns(stream)}) and stream not in STAYS:
                columns = [one.name for one in schema.columns(stream) if one.personal and one.name in there]
                if columns and {*schema.key(stream)} <= there:
                    yield stream, columns


def conditions(stream: str, columns: Collection[str], marks: str) -> dict[str, str]:
    """Returns, by column, the condition in SQL of the rows whose value is forgotten. `marks`: the table of them."""
    if stream not in STREAMS or stream in STAYS:
        return {}
    known = schema.columns(stream)
    own = f"{key_of(stream)} IN (SELECT id FROM {marks} WHERE stream = '{stream}' AND part IN ('', '{{part}}'))"
    of_contacts, of_deals = _references(known, columns, marks) if stream not in CARDS else ("", "")
    if of_deals and "custom_field_id" in columns:
        kept = ", ".join(map(literal, KEPT_TYPES))
        of_deals = f"({of_deals}) AND coalesce(CAST(field_type AS VARCHAR), '') NOT IN ({kept})"
    condition = " OR ".join(f"({one})" for one in (own, of_contacts, of_deals) if one)
    personal = [one.name for one in known if one.personal]
    if not personal:
        return {}
    personal += ["raw", *(OPTIONS if stream in OF_CONTACTS else ())]
    personal += [one for one in columns if re.fullmatch(r"cf_\d+\w*", one) and stream in CARDS]
    return {one: condition.format(part=one) for one in personal if one in columns}


def _references(known: Iterable[schema.Column], columns: Collection[str], marks: str) -> tuple[str, str]:
    """Returns the conditions of rows about forgotten contacts, and about forgotten deals and customers."""
    found: dict[bool, list[str]] = {True: [], False: []}
    for column in known:
        if column.name not in columns or column.reference is None:
            continue
        reference = column.reference
        by = None if isinstance(reference, str) else reference.get("by")
        targets = reference["tables"] if by and not isinstance(reference, str) else {"": reference}
        for value, target in targets.items():
            table = str(target).rstrip("?")
            if table not in PEOPLE:
                continue
            form = LISTED if column.type == "array" else MARKED
            condition = form.format(column=quoted(column.name), marks=marks, stream=table)
            if by:
                condition = f"(CAST({quoted(by)} AS VARCHAR) = {literal(value)} AND {condition})"
            found[table == "contacts"].append(condition)
    return " OR ".join(found[True]), " OR ".join(found[False])


def key_of(stream: str) -> str:
    """Returns the SQL of a row's id."""
    return " || '/' || ".join(f"CAST({quoted(one)} AS VARCHAR)" for one in schema.key(stream))


def holds(column: str, pattern: str, database: Destination) -> str:
    """Returns the condition that a column holds a text like the regular expression `pattern`."""
    return f"({database.matches(f'CAST({quoted(column)} AS VARCHAR)', literal(pattern))})"


LETTERS = "0-9A-Za-zА-Яа-яЁё"
BETWEEN_DIGITS = r"[-\s().+]*"
LEAST_LETTERS = 5
"""Letters of a name that is looked for in other rows, besides at least one blank: a first name alone is anybody's."""


def pattern_of(texts: Iterable[str]) -> str | None:
    """Returns a regular expression, for DuckDB and PostgreSQL, of a person's phones, addresses and full names in any
    writing; None if no text tells a person."""
    found = sorted({one for text in texts if (one := _pattern(text.strip()))})
    return f"(^|[^{LETTERS}])({'|'.join(found)})($|[^{LETTERS}])" if found else None


def _pattern(text: str) -> str | None:
    digits = re.sub(r"\D", "", text)
    if re.fullmatch(r"[\d\s()+.-]+", text):
        if len(digits) < 10:
            return None
        own = digits[1:] if len(digits) == 11 and digits[0] in "78" else digits
        code = rf"(\+?[78]{BETWEEN_DIGITS})?" if len(own) == 10 else ""
        return code + r"\(?" + BETWEEN_DIGITS.join(own)
    if (
        "@" in text
        or (len(re.sub(r"[\W\d_]", "", text)) >= LEAST_LETTERS and " " in text)
        or re.fullmatch("[0-9a-f]{64}", text)
    ):
        return "".join(map(_character, re.sub(r"\s+", " ", text)))
    return None


def _character(one: str) -> str:
    if one == " ":
        return r"\s+"
    if one.lower() != one.upper():
        return f"[{one.upper()[:1]}{one.lower()[:1]}]"
    return one if one.isalnum() or ord(one) > 127 else f"\\{one}"
