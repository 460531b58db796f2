"""Small derivations that several expected tables share, straight from the table catalog."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from ..sandbox.account import Account

Row = dict[str, Any]


def stamp(seconds: int | None) -> str | None:
    """Unix seconds as RFC 3339 UTC; the API's 0 and null are null."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def tags(account: Account, kind: str, row_id: int) -> list[Row]:
    return [{"id": tag["id"], "name": tag["name"], "color": tag["color"]} for tag in account.tags_of(kind, row_id)]


def shown_fields(account: Account, row: Row) -> list[Row]:
    """`custom_fields_values` as the account shows them: filled fields only, null as an empty list."""
    shown = []
    for field in row["custom_fields_values"] or []:
        unticked = field["field_type"] == "checkbox" and field["values"][0]["value"] is False
        if unticked and account.switches.false_checkbox == "absent":
            continue
        if account.switches.enum_key == "enum":
            values = [{("enum" if k == "enum_code" else k): v for k, v in value.items()} for value in field["values"]]
            field = {**field, "values": values}
        shown.append(field)
    return shown


def elements(account: Account, kind: str, row_id: int) -> list[Row]:
    """Linked elements of catalogs, in the shape that the account gives them."""
    links = account.links.elements.get((kind, row_id), ())
    if account.switches.element_links == "metadata":
        return list(links)
    kept = {"id"} if account.switches.element_links == "flat" else {"id", "metadata"}
    return [{name: link[name] for name in kept} | link["metadata"] for link in links]


def amount(account: Account, exact: float) -> float:
    """What the account tells of an amount: all of it, or whole units."""
    return exact if account.switches.minor_units == "given" else int(exact)


def first(values: list[Any]) -> Any:
    return values[0] if values else None
