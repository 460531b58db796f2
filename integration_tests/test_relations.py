"""What a column refers to is there: the references that the schemas declare, held to the rows of two accounts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from airbyte_cdk.models import Type

from docs.references import OneOf, Reference, references
from sandbox import Account, ManualClock, Sandbox, Switches
from source_amocrm.streams import STREAMS, schema
from testing.connector import messages

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Place = tuple[str, str, str]
"""Table, column, and the table that it refers to."""

REFERENCE = re.compile(r"(?:^|_)(?:id|ids|by|uuid|uid)(?:_|$)|^code$|_type$|^type$|^status_(?:new|old)$")
TOLD = re.compile(r"^(?:Ids?|UUID|Uid|Code|Number) of (?!linked )")
NONE: dict[str, str] = {
    # by column, in whichever table
    "amojo_id": "an id of amoCRM's chat service, which lists nothing",
    "chat_id": "as amojo_id",
    "chat_message_id": "as amojo_id",
    "client_uuid": "of an integration; amoCRM lists none",
    "author_id": "as amojo_id",
    "author_type": "a word",
    "message_type": "a word",
    "created_by_type": "a word",
    "deleted_by_type": "a word",
    "updated_by_type": "a word",
    "entity_type": "a word that tells which table another column refers to",
    "parent_type": "as entity_type",
    "mime_type": "a word",
    "field_type": "a word or number; amoCRM lists no types of fields",
    "source_type": "a word",
    "status_type": "a number; amoCRM lists no kinds of statuses",
    "communication_ids": "ids of a telephony service",
    "external_id": "of the integration",
    "source_external_id": "of the integration",
    "source_uid": "of the lead in its source",
    "uniq": "of the call in the telephony service",
    "icon_id": "amoCRM lists no icons",
    "event_type_id": "a number beside the key",
    "note_type_id": "a number beside the key",
    "file_id": "a number beside the key",
    "version_uuid": "amoCRM lists no versions",
    "enum": "an option within custom_fields.enums",
    "enum_code": "as enum",
    "enums_new": "as enum",
    "enums_old": "as enum",
    "field_code": "the field's id is there",
    "uuid": "a number beside the key",
    "code": "of a widget, a custom field, a type of tasks or of entities: a word",
    "origin_code": "a word",
    "sdk_widget_code": "a word",
    "is_price_modified_by_robot": "a truth",
    "customers_count": "a count",
    "purchases_count": "a count",
    "call_responsible": "a user's id as text, or the name or number that a telephony service gives",
}
WORDS = {"account", "catalogs", "custom_field_groups", "custom_fields", "customer_statuses", "files"}
"""Tables whose `type` is a word or number of which there is no table."""
OF_SEVERAL = {"catalog_elements", "custom_field_groups", "custom_fields", "notes", "statuses", "tags"}
"""Tables whose own id is the last of several columns of their key; it is the only one of other tables."""
NOT_HERE = {
    # relations of which the two accounts have no row
    ("deleted_entities", "entity_id", "companies"),
    ("deleted_entities", "entity_id", "customers"),
    ("deleted_entities", "entity_id", "tasks"),
    ("deleted_entities", "parent_id", "contacts"),
    ("deleted_entities", "parent_id", "companies"),
    ("deleted_entities", "parent_id", "customers"),
    ("deal_responsible_changes", "created_by", "users"),
    ("unsorted", "companies", "companies"),
    ("unsorted", "contacts", "contacts"),
    ("customer_segments", "available_products_price_types", "custom_fields"),
    ("files", "source_id", "sources"),
    ("files", "deleted_by", "users"),
}


@pytest.fixture(scope="module")
def accounts() -> list[Account]:
    modes = Switches(), Switches(customers="periodicity")
    return [Account.generate(seed, 150, clock=ManualClock(), switches=mode) for seed, mode in enumerate(modes, 4)]


@pytest.fixture(scope="module")
def rows(accounts: list[Account]) -> list[Tables]:
    read: list[Tables] = []
    for account in accounts:
        tables: Tables = {name: [] for name in STREAMS}
        for message in messages(Sandbox(account)):
            if message.type == Type.RECORD and message.record:
                tables[message.record.stream].append(dict(message.record.data))
        read.append(tables)
    return read


def declared() -> Iterator[tuple[Place, Reference]]:
    for name in STREAMS:
        for column, reference in references(name).items():
            for one in reference.tables.values() if isinstance(reference, OneOf) else [reference]:
                yield (name, column, one.table), one


def referred(name: str, row: Row) -> Iterator[tuple[Place, Reference, list[Any]]]:
    """What a row refers to: where it says so, the reference, and the values."""
    for column, reference in references(name).items():
        value = row[column]
        values = value if isinstance(value, list) else [value]
        if isinstance(reference, OneOf):
            if value is None:
                continue
            reference = reference.tables[str(row[reference.by])]  # the accounts hold no further kinds
        named = [one for one in values if one not in (None, 0, -1)]
        yield (name, column, reference.table), reference, named


def sought(tables: Tables) -> tuple[set[Place], dict[Place, set[Any]]]:
    """Where rows were found, and the values of which none was."""
    known: dict[tuple[str, tuple[str, ...]], set[tuple[Any, ...]]] = {}
    for _, reference in declared():
        columns = STREAMS[reference.table].primary_key[-1], *reference.key
        known[reference.table, columns] = {tuple(row[c] for c in columns) for row in tables[reference.table]}
    found: set[Place] = set()
    absent: dict[Place, set[Any]] = defaultdict(set)
    for name, own in tables.items():
        for row in own:
            for place, reference, values in referred(name, row):
                columns = STREAMS[reference.table].primary_key[-1], *reference.key
                rest = [row[part[1:]] if part.startswith("$") else part for part in reference.key.values()]
                for value in values:
                    if (value, *rest) in known[reference.table, columns]:
                        found.add(place)
                    else:
                        absent[place].add(value)
    return found, absent


def test_what_a_row_refers_to_is_there_unless_it_is_said_why_not(accounts: list[Account], rows: list[Tables]) -> None:
    reasons = dict(declared())
    for account, tables in zip(accounts, rows, strict=True):
        _, absent = sought(tables)
        assert [place for place in absent if not reasons[place].absent] == []
        by_table: dict[str, set[Any]] = defaultdict(set)
        for (_, _, table), values in absent.items():
            by_table[table] |= values
        assert by_table == orphans(account)


def orphans(account: Account) -> dict[str, set[Any]]:
    """By table, what is referred to in this account and is in no list of it."""
    notes = [
        note for name in ("leads", "contacts", "companies", "customers") for note in account.tables[f"{name}/notes"]
    ]
    attached = {note["params"]["file_uuid"] for note in notes if "file_uuid" in (note["params"] or {})}
    found = {
        "users": {9_099_001, 9_099_038, account.id},  # two were removed; a robot's notes have the account's id
        "contacts": {lead["contact"] for lead in account.unsorted.values()},
        "sources": {5_001},  # another integration's
        "files": attached.difference(file["uuid"] for file in account.files if not file["is_trashed"]),  # deleted ones
    }
    if account.switches.customers == "segments":
        found["customer_statuses"] = {customer["status_id"] for customer in account.tables["customers"]}
        found["custom_fields"] = {288_891}  # a price that a segment may buy at, and no catalog has
    else:
        found["customer_segments"] = set(chain(*account.segments_of.values()))
    return found


def test_every_relation_leads_somewhere(rows: list[Tables]) -> None:
    found = set().union(*(sought(tables)[0] for tables in rows))
    assert {place for place, _ in declared()} - found == NOT_HERE


@pytest.mark.parametrize("name", STREAMS)
def test_a_column_that_looks_like_a_reference_is_one_or_is_said_to_be_none(name: str) -> None:
    stream = STREAMS[name]
    columns = schema.load(name)["properties"]
    own = {stream.primary_key[-1]} if len(stream.primary_key) == 1 or name in OF_SEVERAL else set()
    looks = {column for column, of in columns.items() if REFERENCE.search(column) or TOLD.match(of["description"])}
    unsaid = looks - own - set(references(name)) - set(NONE) - ({"type"} if name in WORDS else set())
    assert unsaid == set()
