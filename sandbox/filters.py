"""The documented filters of every list, as data: the name in the query, and the condition that it makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from .query import Node, child, number, scalar, values
from .select import Condition, OneOf, Range, Test
from .switches import Switches

Filter = Callable[[Node, Switches], "Condition | None"]  # None: the value is invalid, and the filter is ignored
Filters = Mapping[str, Filter]


def ids(field: str = "id") -> Filter:
    """One whole number or several."""

    def make(node: Node, _switches: Switches) -> Condition | None:
        numbers = [int(v) for text in values(node) if (v := number(text)) is not None]
        return OneOf(field, frozenset(numbers))

    return make


def words(field: str) -> Filter:
    return lambda node, _switches: OneOf(field, frozenset(values(node)))


def text(field: str) -> Filter:
    """One exact value, which may hold commas."""

    def make(node: Node, _switches: Switches) -> Condition:
        wanted = [node] if isinstance(node, str) else values(node)
        return OneOf(field, frozenset(wanted))

    return make


def flag(field: str) -> Filter:
    return lambda node, _switches: OneOf(field, frozenset(v == "1" for v in values(node)))


def bounds(field: str, node: Node, switches: Switches) -> Condition | None:
    """`[from]` and `[to]`; either may be missing, fractions are allowed."""
    start, stop = number(scalar(child(node, "from"))), number(scalar(child(node, "to")))
    if start is None and stop is None:
        return None
    low, high = {}, {}
    if start is not None:
        low = {"low": math.ceil(start) if switches.from_inclusive else math.floor(start) + 1}
    if stop is not None:
        high = {"high": math.floor(stop) if switches.to_inclusive else math.ceil(stop) - 1}
    return Range(field, **low, **high)


def span(field: str) -> Filter:
    """A range; a scalar means exactly that value, as on leads."""

    def make(node: Node, switches: Switches) -> Condition | None:
        value = number(scalar(node))
        if value is not None:
            return Range(field, math.ceil(value), math.floor(value))
        return bounds(field, node, switches)

    return make


def since(field: str) -> Filter:
    """A range; a scalar means "changed after", as on tasks, notes and events; `a,b` is the older form of a range."""

    def make(node: Node, switches: Switches) -> Condition | None:
        if isinstance(node, str):
            first, _, last = node.partition(",")
            return bounds(field, {"from": first, **({"to": last} if last else {})}, switches)
        return bounds(field, node, switches)

    return make


def statuses(node: Node, _switches: Switches) -> Condition | None:
    """Pairs of pipeline_id and status_id. A pair without a pipeline matches the status in any pipeline."""
    pairs = set()
    for pair in node.values() if isinstance(node, dict) else ():
        status = number(scalar(child(pair, "status_id")))
        if status is not None:
            pairs.add((number(scalar(child(pair, "pipeline_id"))), status))

    def passes(row: Mapping[str, Any]) -> bool:
        return (row["pipeline_id"], row["status_id"]) in pairs or (None, row["status_id"]) in pairs

    return Test(f"statuses {sorted(pairs, key=str)}", passes)


def custom_fields(node: Node, switches: Switches) -> Condition | None:
    """`[field id][]=value` or `[field id][from]=…`: any of a field's values."""
    wanted = {int(key): rule for key, rule in node.items() if key.isdigit()} if isinstance(node, dict) else {}

    def passes(row: Mapping[str, Any]) -> bool:
        filled = {f["field_id"]: f["values"] for f in row["custom_fields_values"] or ()}
        return all(_field_passes(filled.get(field_id, []), rule, switches) for field_id, rule in wanted.items())

    return Test(f"custom_fields {wanted} {switches.from_inclusive} {switches.to_inclusive}", passes)


def _field_passes(filled: list[dict[str, Any]], rule: Node, switches: Switches) -> bool:
    window = bounds("value", rule, switches)
    for value in filled:
        if isinstance(window, Range):
            amount = number(str(value.get("value")))
            if amount is not None and window.low <= amount <= window.high:
                return True
        elif str(value.get("value")) in values(rule) or str(value.get("enum_id")) in values(rule):
            return True
    return False


def contains(wanted: str) -> Condition:
    """The `query` parameter: rows whose name contains the text, regardless of case."""
    needle = wanted.casefold()
    return Test(f"query {needle}", lambda row: needle in (row["name"] or "").casefold())


_CARD: dict[str, Filter] = {
    "id": ids(),
    "name": text("name"),
    "created_by": ids("created_by"),
    "updated_by": ids("updated_by"),
    "responsible_user_id": ids("responsible_user_id"),
    "created_at": span("created_at"),
    "updated_at": span("updated_at"),
    "closest_task_at": span("closest_task_at"),
    "custom_fields_values": custom_fields,
}
LEADS: Filters = {
    **_CARD,
    "price": span("price"),
    "statuses": statuses,
    "pipeline_id": ids("pipeline_id"),
    "closed_at": span("closed_at"),
}
CONTACTS = COMPANIES = _CARD
CUSTOMERS: Filters = {
    **_CARD,
    "next_price": span("next_price"),
    "next_date": span("next_date"),
    "status_id": ids("status_id"),
}
TASKS: Filters = {
    "id": ids(),
    "responsible_user_id": ids("responsible_user_id"),
    "is_completed": flag("is_completed"),
    "task_type": ids("task_type_id"),
    "entity_type": words("entity_type"),
    "entity_id": ids("entity_id"),
    "updated_at": since("updated_at"),
}
NOTES: Filters = {
    "id": ids(),
    "entity_id": ids("entity_id"),
    "note_type": words("note_type"),
    "updated_at": since("updated_at"),
}
UNSORTED: Filters = {"uid": words("uid"), "category": words("category"), "pipeline_id": ids("pipeline_id")}
BY_ID: Filters = {"id": ids()}
TAGS: Filters = {"id": ids(), "name": text("name")}


def conditions(filters: Filters, node: Node | None, switches: Switches) -> list[Condition]:
    """Returns the conditions of a `filter` tree. Filters that the list does not document are ignored."""
    if not isinstance(node, dict):
        return []
    made = (filters[name](rule, switches) for name, rule in node.items() if name in filters)
    return [condition for condition in made if condition is not None]
