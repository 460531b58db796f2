"""What counts: differences that a sync does not mend. No date, no event and no clock excuses one."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from amocrm_warehouse.verify.findings import HIDDEN, IN_THE_TRASH, KNOWN_MERGED, NOT_COUNTED, TO_MERGED, Finding
from amocrm_warehouse.verify.held_tables import Key
from amocrm_warehouse.verify.row_differences import DATE, LINKS, LIVE, TWICE, Difference, Place, RowDifferences
from source_amocrm import atomic_file
from source_amocrm.account import Resource
from source_amocrm.account.resources import CARDS, NOTES
from source_amocrm.streams.activity import ELEMENT_TYPE
from source_amocrm.streams.base import AmocrmStream, PartsStream
from source_amocrm.streams.custom_fields import FieldRowStream

MOST_LOOKS = 3
"""Looks at a row. What differs in another way at each of them is changing all the time."""
OF_SETTINGS = {
    False: {"tags", "catalog_elements", "segments", "custom_fields", "phones", "emails", "communication_ids"},
    True: {"name", "color"},
}
"""Columns of cards, and of their parts, that change where a field, an option, a tag, a segment or a catalog's element
is renamed or removed."""
OF_CARDS = frozenset({"notes", "calls", "messages", "tasks"})
"""Tables of what belongs to a card."""
LISTED = {"tag_id": "tags", "catalog_element_id": "catalog_elements"}
"""By the column with its ID, the table of what is linked to cards and listed on its own."""
Limits = Callable[[list[Difference], Collection[Place]], Iterable[str | None]]


def lasting(before: Difference, now: Difference) -> Difference | None:
    """Returns the part of a difference that a sync between two looks did not mend; None if it is another one.

    What the account showed at both looks, the sync between them should have read.
    """
    values = {column: value for column, value in now.values.items() if before.values.get(column) == value}
    return replace(now, values=values) if before.kind == now.kind and len(values) >= bool(now.values) else None


def without_uncounted(found: list[Difference], findings: Mapping[str, Finding], limits: Limits) -> list[Difference]:
    """Returns the differences for which a sync is worth waiting. Counts the others apart."""
    left = list[Difference]()
    for one, limit in zip(found, limits(found, ()), strict=True):
        if limit and limit in NOT_COUNTED:
            findings[one.stream].uncounted[limit] += 1
        else:
            left.append(one)
    return left


def judge(
    before: Iterable[Difference], now: Iterable[Difference], found: Mapping[str, Finding], limits: Limits, *, last: bool
) -> list[Difference]:
    """Counts what the sync between two looks mended and, at the `last` look, what it did not mend.

    Returns what differs and is not counted.
    """
    now_by_kind = {(one.stream, one.key, one.kind): one for one in now}
    now_by_key = {(one.stream, one.key): one for one in now_by_kind.values()}
    same, left = list[tuple[Difference, Difference]](), list[Difference]()
    for one in before:
        later = now_by_kind.get((one.stream, one.key, one.kind)) or now_by_key.get((one.stream, one.key))
        if later is None:
            found[one.stream].changed_since += 1
        elif part := lasting(one, later):
            same.append((part, later))
        else:
            left.append(later)
    antedated = {one.place for one in now_by_kind.values() if one.kind == "unequal" and DATE in one.values}
    for (one, later), limit in zip(same, limits([part for part, _ in same], antedated), strict=True):
        if limit and limit in NOT_COUNTED:
            found[one.stream].uncounted[limit] += 1
        elif last:
            found[one.stream].count(one.kind, one.key, one.values, limit)
        else:
            left.append(later)
    return left


def links_that_differ(one: Difference, stream: AmocrmStream) -> dict[str, set[int]]:
    """Returns the cards, by kind, to which a link differs; none if anything else differs."""
    found = defaultdict[str, set[int]](set)
    if one.kind in ("missing", "extra") and isinstance(stream, PartsStream):
        entity = stream.primary_key[-1].removesuffix("_id")
        return {entity: {one.key[-1]}} if entity in LINKS.values() else {}
    if one.kind == "unequal" and all(name in LINKS and value.startswith("[") for name, value in one.values.items()):
        for name, value in one.values.items():
            found[LINKS[name]] |= {*json.JSONDecoder().raw_decode(value)[0]}
    return found


def known_as_gone(rows: RowDifferences, entity: str, ids: set[int]) -> set[int]:
    """Returns the cards that the tables know as deleted, by an event or, merged into another one, by their own row."""
    [main] = [rows.main(card) for card in CARDS if card.entity == entity]
    found = rows.held.deleted(entity, ids)
    if main:
        column = rows.id_column(main)
        found |= {row[column] for row in rows.held.rows_with(main, {column: "integer"}, column, ids, "is_deleted")}
    return found


def removed_from_lists(found: list[Difference], rows: RowDifferences) -> set[tuple[str, Key]]:
    """Returns, by stream and key, the links that cards have lost to a tag or a catalog's element that is in no list."""
    removed = set[tuple[str, Key]]()
    for column, table in LISTED.items():
        lost = [one for one in found if one.kind == "extra" and rows.streams[one.stream].primary_key[1:] == [column]]
        if lost and table in rows.held.columns:
            held = rows.held.rows_with(table, {column: "integer"}, column, {one.key[-1] for one in lost})
            listed = {row[column] for row in held}
            removed |= {(one.stream, one.key) for one in lost if one.key[-1] not in listed}
    return removed


def hidden_with_their_card(
    found: list[Difference],
    rows: RowDifferences,
    trash: Callable[[Resource], set[int]],
    merged: Mapping[str, set[int]],
) -> set[tuple[str, Key]]:
    """Returns, by stream and key, the notes and tasks that the account lacks, of cards that were deleted.

    `merged`, by kind: cards in no list and in no trash; with the card that they became, their notes were hidden.
    """
    hidden, owners = set[tuple[str, Key]](), defaultdict[int, dict[tuple[str, Key], int]](dict)
    for name in OF_CARDS & rows.held.columns.keys():
        lost = {one.key[-1] for one in found if one.stream == name and one.kind == "extra"}
        key = rows.streams[name].primary_key
        kinds = dict.fromkeys([*key, "element_type", "element_id"], "integer")
        for row in rows.held.rows_with(name, kinds, key[-1], lost):
            owners[row["element_type"]][name, tuple(row[column] for column in key)] = row["element_id"]
    for card in CARDS:
        if of_cards := owners[ELEMENT_TYPE[card.name]]:
            gone = known_as_gone(rows, card.entity, {*of_cards.values()}) | merged.get(card.entity, set())
            gone |= trash(card) if card.has_trash else set()
            hidden |= {one for one, owner in of_cards.items() if owner in gone}
    return hidden


def limits(
    found: list[Difference],
    antedated: Collection[Place],
    rows: RowDifferences,
    trash: Callable[[Resource], set[int]],
) -> Iterator[str | None]:
    """Yields, for each difference that lasts, the name of the limit of a sync that it is; None for a fault.

    `antedated`: the cards that the account dates earlier than the table does.
    """
    trash = cache(trash)  # each look at it takes requests
    told, listed, merged = dict[str, set[int]](), dict[str, set[int]](), dict[str, set[int]]()
    for resource in (*CARDS, *NOTES):
        if ids := {one.place.number for one in found if one.kind == "extra" and one.place.name == resource.path}:
            told[resource.path] = rows.held.deleted(resource.entity, ids)
            if resource in CARDS:
                told[resource.path] |= trash(resource) if resource.has_trash else set()
                listed[resource.path] = rows.held.listed(resource.name, ids)
                merged[resource.entity] = ids - told[resource.path]
    removed, hidden = removed_from_lists(found, rows), hidden_with_their_card(found, rows, trash, merged)
    links, ends = [links_that_differ(one, rows.streams[one.stream]) for one in found], defaultdict[str, set[int]](set)
    for entity, ids in (end for linked in links for end in linked.items()):
        ends[entity] |= ids
    gone = {entity: known_as_gone(rows, entity, ids) for entity, ids in ends.items()}
    for one, linked in zip(found, links, strict=True):
        stream, place, kind = rows.streams[one.stream], one.place, one.kind
        is_part = isinstance(stream, PartsStream)
        of_settings = all(column in OF_SETTINGS[is_part] or column.startswith("cf_") for column in one.values)
        left = {entity: ids - gone[entity] for entity, ids in linked.items()}
        if linked and not any(left.values()):
            yield IN_THE_TRASH
        elif linked and all(ids <= merged.get(entity, set()) for entity, ids in left.items()):
            yield TO_MERGED
        elif kind == "extra" and (one.stream, one.key) in hidden:
            yield HIDDEN
        elif place in antedated:
            yield "old date"
        elif place.kind != "record" or one.stream == LIVE or kind in ("missing", TWICE):
            yield None
        elif is_part:
            undated = isinstance(stream, FieldRowStream) or (one.stream, one.key) in removed
            yield "settings" if undated or (kind == "unequal" and of_settings) else None
        elif kind == "extra":
            if place.number in told.get(place.name, {place.number}):
                yield None
            elif place.name not in listed:
                yield "silent deletion"
            else:
                yield "merged" if LIVE not in rows.streams or place.number in listed[place.name] else KNOWN_MERGED
        elif kind == "stale":
            yield "old date"
        else:
            yield "settings" if of_settings and place.name in {card.path for card in CARDS} else None


@dataclass(frozen=True)
class Pending:
    """What differs and waits for a sync, as a file keeps it between two runs. `synced_at`: when the last sync began."""

    prefix: str
    synced_at: str
    looks: int
    tables: dict[str, Finding]
    differences: list[Difference]

    def write(self, path: Path) -> None:
        """Raises ValueError with a sentence if the file cannot be written."""
        tables = {name: vars(one) for name, one in self.tables.items()}
        held = {**vars(self), "tables": tables, "differences": [vars(one) for one in self.differences]}
        try:
            atomic_file.write(path, atomic_file.json_text(held))
        except OSError as error:
            raise ValueError(f"{path} cannot be written: {error.strerror}. Name another one after --again.") from None

    @classmethod
    def read(cls, path: Path, prefix: str) -> Pending:
        """Raises ValueError with a sentence if the file is not one of these tables."""
        try:
            held = atomic_file.read_json(path)
            tables = {name: Finding.of(one) for name, one in held["tables"].items()}
            differences = [
                Difference(
                    one["stream"], tuple(one["key"]), one["kind"], Place(*one["place"]), one["values"]
                )
                for one in held["differences"]
            ]  # fmt: skip
            found = cls(held["prefix"], held["synced_at"], held["looks"], tables, differences)
        except (OSError, ValueError, TypeError, KeyError):
            raise ValueError(f"{path} is no file that verify has written. Name another one after --again.") from None
        if found.prefix != prefix:
            raise ValueError(
                f"{path} is of the tables {found.prefix}…, not of {prefix}…. Name another one after --again."
            )
        return found
