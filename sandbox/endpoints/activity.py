"""Tasks, notes and events."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from ..context import Context, paged, short_list
from ..filters import NOTES, TASKS, conditions, ids, since, words
from ..http import Refusal, Response, bad_request, nothing, ok
from ..query import Node, child, number, scalar, values
from ..select import Condition, OneOf, Order, Test
from ..store import HASH, Event, Row
from .cards import default_order, require_customers
from .event_types import STANDARD

FIELD_EVENT = re.compile(r"custom_field_(\d+)_value_changed")
MOST = 10  # most users, and most entities, in one request for events; more get 400
EVENTS = {"id": words("id"), "created_at": since("created_at"), "created_by": ids("created_by"),
          "entity": words("entity_type"), "entity_id": ids("entity_id")}  # fmt: skip


def tasks(context: Context) -> Response:
    renderer = context.renderer()
    order = context.order(("created_at", "complete_till", "id"), default_order(context))
    return paged(context, "tasks", context.account.tables["tasks"], context.conditions(TASKS), order, renderer.task)


def task(context: Context, row_id: str) -> Response:
    row = context.account.tables["tasks"].get(int(row_id))
    return ok(context.renderer(long_links=False).task(row)) if row else nothing()


def notes(context: Context, kind: str, owner: str | None = None) -> Response:
    require_customers(context, kind)
    renderer = context.renderer()
    wanted = context.conditions(NOTES)
    if owner is not None:
        wanted.append(OneOf("entity_id", frozenset({int(owner)})))
    order = context.order(("updated_at", "id"), default_order(context))
    table = context.account.tables[f"{kind}/notes"]
    return paged(context, "notes", table, wanted, order, lambda row: renderer.note(kind, row))


def note(context: Context, kind: str, row_id: str) -> Response:
    require_customers(context, kind)
    row = context.account.tables[f"{kind}/notes"].get(int(row_id))
    return ok(context.renderer(long_links=False).note(kind, row)) if row else nothing()


def events(context: Context) -> Response:
    switches, renderer = context.switches, context.renderer()
    wanted = _event_conditions(context)
    by_time = Order("created_at", switches.events_order == "desc")
    default = Order(HASH) if switches.events_order == "unordered" else by_time
    order = context.order(("created_at", "id") if switches.events_order_honoured else (), default)
    maximum = 250 if switches.kommo else switches.events_page_max
    return paged(context, "events", context.account.events, wanted, order, renderer.event, maximum)


def event(context: Context, event_id: str) -> Response:
    row = context.account.events.get(event_id)
    return ok(context.renderer(long_links=False).event(row)) if row else nothing()


def _event_conditions(context: Context) -> list[Condition]:
    filters = context.query.get("filter")
    entities, entity_ids = values(child(filters, "entity")), values(child(filters, "entity_id"))
    if entity_ids and len(entities) != 1:
        raise Refusal(bad_request("filter.entity_id", "Exactly one entity is expected with entity_id."))
    for name in ("entity_id", "created_by"):
        if len(values(child(filters, name))) > MOST:
            raise Refusal(bad_request(f"filter.{name}", f"This collection should contain {MOST} elements or less."))
    wanted = conditions(EVENTS, filters, context.switches)
    types = values(child(filters, "type"))
    if types:
        wanted.append(_types(context, types))
    for side in ("value_after", "value_before"):
        rule = child(filters, side)
        if rule is not None:
            wanted.append(Test(f"{side} {rule}", partial(_value_matches, side, rule)))
    return wanted


def _types(context: Context, types: list[str]) -> Condition:
    """Makes the condition of `filter[type]`. The generic type of changed fields includes each single field's type."""
    field_ids = [m[1] for t in types if (m := FIELD_EVENT.fullmatch(t))]
    if field_ids and len(types) > 1:
        detail = "custom_field_{ID}_value_changed cannot be combined with other types."
        raise Refusal(bad_request("filter.type", detail))
    known = context.account.events.by("type")
    if field_ids and types[0] not in known:
        return Test(f"field {field_ids}", lambda e: _changes_field(e, int(field_ids[0])))
    if "custom_field_value_changed" in types:
        types = [*types, *(t for t in known if FIELD_EVENT.fullmatch(t))]
    return OneOf("type", frozenset(types))


def _changes_field(event: Event, field_id: int) -> bool:
    changed = (v.get("custom_field_value", {}).get("field_id") for v in (*event.value_after, *event.value_before))
    return event.type == "custom_field_value_changed" and field_id in changed


def _value_matches(side: str, rule: Node, event: Event) -> bool:
    """Applies a documented filter by value: pairs of statuses, the responsible user, enum ids, or a plain value."""
    return any(_one_matches(change, rule) for change in getattr(event, side))


def _one_matches(change: Row, rule: Node) -> bool:
    shape: dict[str, Any] = next(iter(change.values()), {})
    if (pairs := child(rule, "leads_statuses")) is not None:
        return any(
            number(scalar(child(pair, "status_id"))) == shape.get("id")
            and number(scalar(child(pair, "pipeline_id"))) == shape.get("pipeline_id")
            for pair in (pairs.values() if isinstance(pairs, dict) else ())
        )
    if (statuses := child(rule, "customers_statuses")) is not None or (
        statuses := child(rule, "responsible_user_id")
    ) is not None:
        return str(shape.get("id")) in values(statuses)
    if (enums := child(rule, "custom_field_values")) is not None:
        return str(shape.get("enum_id")) in values(enums)
    return str(next(iter(shape.values()), None)) in values(child(rule, "value"))


def event_types(context: Context) -> Response:
    rows = [{"key": key, "type": number, "lang": name} for key, number, name in STANDARD]
    for kind in ("leads", "contacts", "companies", "customers"):
        rows += [
            {"key": f"custom_field_{f['id']}_value_changed", "type": 24, "lang": f'Изменение поля "{f["name"]}"'}
            for f in context.account.fields[kind]
        ]
    return short_list(context, "events_types", rows, dict, is_paged=False)
