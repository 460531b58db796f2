"""Reads the rows of a page, in whichever shape amoCRM sent them, and what it tells of the next one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from source_amocrm.errors import AmocrmError, json_kind

_DIGITS = 18


class MalformedList(AmocrmError):
    """There is something that is no object among the rows of a list."""


def rows_of(body: Mapping[str, Any], collection: str) -> list[dict[str, Any]]:
    """The rows of a page; an empty `_embedded` and a missing collection mean that it has none. Raises MalformedList."""
    embedded = body.get("_embedded")
    return embedded_rows(collection, embedded.get(collection) if isinstance(embedded, dict) else None)


def next_link(body: Mapping[str, Any]) -> Any:
    """What the page tells of the next one; nothing that is true if it is the last."""
    links = body.get("_links")
    return links.get("next") if isinstance(links, dict) else None


def counts_more(body: Mapping[str, Any], number: int, rows: int) -> bool:
    """Whether page `number`, up to whose end `rows` rows have come, counts more pages or rows than that.

    What it counts less says nothing: some lists count the rows of the page alone.
    """
    pages, items = body.get("_page_count"), body.get("_total_items")
    return (isinstance(pages, int) and pages > number) or (isinstance(items, int) and items > rows)


def embedded_rows(collection: str, value: Any) -> list[dict[str, Any]]:
    """The rows of a collection; PHP also writes `{"0": …, "1": …}`, or one row bare. Raises MalformedList."""
    if isinstance(value, dict):
        value = list(value.values()) if all(name.isdecimal() for name in value) else [value]
    if value is None:
        return []
    if not isinstance(value, list):
        raise _malformed(collection, value, "")
    return [_row(collection, value, position) for position in range(len(value))]


def numeric_id(value: Any) -> int | None:
    """An id as a number, even if it was sent as text; None if it is neither."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def identified(row: dict[str, Any]) -> dict[str, Any]:
    """The row, whose id is made a number if it is a text of digits."""
    sent = row.get("id")
    if type(sent) is str and (number := numeric_id(sent)) is not None:
        return {**row, "id": number}
    return row


def _row(collection: str, rows: list[Any], position: int) -> dict[str, Any]:
    row = rows[position]
    if type(row) is dict:
        return identified(row)
    before = rows[position - 1] if position else None
    known = f", after the one with the id {before.get('id')}" if isinstance(before, dict) else ""
    raise _malformed(collection, row, f" as number {position + 1} of a page{known}")


def _malformed(collection: str, value: Any, where: str) -> MalformedList:
    return MalformedList(
        f"amoCRM sent {json_kind(value)} instead of rows in the list “{collection}”{where}, so "
        "the list cannot be read beyond it. Run the sync again; if it repeats, report it to amoCRM support with the "
        "time of the sync."
    )
