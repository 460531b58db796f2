"""Functions that several expected tables share, written from the table catalog."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from sandbox.account import Account

Row = dict[str, Any]


def stamp(seconds: int | None) -> str | None:
    """Formats unix seconds as RFC 3339, UTC. The API's 0 and null become None."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def tags(account: Account, kind: str, row_id: int) -> list[Row]:
    return [{"id": tag["id"], "name": tag["name"], "color": tag["color"]} for tag in account.tags_of(kind, row_id)]


def shown_fields(account: Account, row: Row) -> list[Row]:
    """Returns `custom_fields_values` as the account shows them: only fields with a value; a list also for null."""
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
    """Returns the linked elements of catalogs in the shape of the switch `element_links`."""
    links = account.links.elements.get((kind, row_id), ())
    if account.switches.element_links == "metadata":
        return list(links)
    kept = {"id"} if account.switches.element_links == "flat" else {"id", "metadata"}
    return [{name: link[name] for name in kept} | link["metadata"] for link in links]


def amount(account: Account, exact: float) -> float:
    """Returns the exact amount, or its whole units if the account shows no more."""
    return exact if account.switches.minor_units == "given" else int(exact)


def first(values: list[Any]) -> Any:
    return values[0] if values else None
