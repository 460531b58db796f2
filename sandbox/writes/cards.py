"""Creates and edits leads, contacts, companies and customers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..account import Account
from ..generate.field_values import entry
from ..generate.people import group_of
from ..store import Row
from ..values import event_field_value
from .core import ROBOT, author, locked, record, save
from .links import link

WON, LOST = 142, 143
CLOSED = (WON, LOST)


def _created(account: Account, kind: str, event_type: str, by: int, fields: Row) -> int:
    at, row_id = account.clock.now(), account.next_id(kind)
    user = fields.get("responsible_user_id", author(account, None))
    common = {
        "responsible_user_id": user,
        "group_id": group_of(account, user),
        "created_by": by,
        "updated_by": by,
        "created_at": at,
        "updated_at": at,
        "closest_task_at": None,
        "is_deleted": False,
        "custom_fields_values": None,
        "account_id": account.id,
    }
    account.tables[kind].put(row_id, {"id": row_id, **common, **fields})
    record(account, event_type, kind, row_id, by, at, after=[{"note": {"id": account.next_id("notes")}}])
    return row_id


@locked
def create_lead(
    account: Account, *, contacts: Sequence[int] = (), company: int | None = None, by: int | None = None, **fields: Any
) -> int:
    """Creates a deal, by default in the first stage of the main pipeline. Returns its id."""
    pipeline = account.pipelines[0]
    blank: Row = {
        "name": "Новая сделка",
        "price": 0,
        "status_id": pipeline["statuses"][1]["id"],
        "pipeline_id": pipeline["id"],
        "loss_reason_id": None,
        "source_id": None,
        "closed_at": None,
        "score": None,
        "labor_cost": None,
        "is_price_modified_by_robot": False,
        "is_price_computed": False,
    }
    row_id = _created(account, "leads", "lead_added", author(account, by), blank | fields)
    for contact in contacts:
        link(account, "leads", row_id, "contacts", contact, by=by, born=True)
    if company is not None:
        link(account, "leads", row_id, "companies", company, by=by, born=True)
    return row_id


@locked
def create_contact(account: Account, *, company: int | None = None, by: int | None = None, **fields: Any) -> int:
    blank = {"name": "Новый контакт", "first_name": "Новый", "last_name": "контакт", "is_unsorted": False}
    row_id = _created(account, "contacts", "contact_added", author(account, by), blank | fields)
    if company is not None:
        link(account, "contacts", row_id, "companies", company, by=by, born=True)
    return row_id


@locked
def create_company(account: Account, *, by: int | None = None, **fields: Any) -> int:
    return _created(account, "companies", "company_added", author(account, by), {"name": "Новая компания"} | fields)


@locked
def create_customer(
    account: Account, *, contacts: Sequence[int] = (), company: int | None = None, by: int | None = None, **fields: Any
) -> int:
    blank = {
        "name": "Новый покупатель",
        "next_price": 0,
        "next_date": account.clock.now(),
        "status_id": account.customer_statuses[0]["id"],
        "periodicity": 0,
        "ltv": 0,
        "purchases_count": 0,
        "average_check": 0,
    }
    row_id = _created(account, "customers", "customer_added", author(account, by), blank | fields)
    for contact in contacts:
        link(account, "customers", row_id, "contacts", contact, by=by, born=True)
    if company is not None:
        link(account, "customers", row_id, "companies", company, by=by, born=True)
    return row_id


@locked
def edit(
    account: Account, kind: str, row_id: int, *, by: int | None = None, mass: bool = False, **changes: Any
) -> None:
    """Changes columns and writes their events. `mass`: as one of many rows that are changed together.

    `changes` may hold `updated_at` and `created_at`, as an integration may write an old or a future time.
    """
    told = not mass or account.switches.mass_value_before == "given"
    who, at, old = author(account, by), account.clock.now(), account.row(kind, row_id)
    if "responsible_user_id" in changes:
        changes.setdefault("group_id", group_of(account, changes["responsible_user_id"]))
    new = save(account, kind, row_id, changes, who, at)
    for name, event_type, shape in _FIELD_EVENTS:
        if name in changes and old[name] != new[name]:
            after, before = [shape(new[name])], [shape(old[name])] if told else []
            record(account, event_type, kind, row_id, who, at, after=after, before=before)
    if kind == "leads" and _stage(old) != _stage(new):
        after, before = [_status(new)], [_status(old)] if told else []
        record(account, "lead_status_changed", kind, row_id, who, at, after=after, before=before)
    if kind == "customers" and old["status_id"] != new["status_id"]:
        after, before = ([{"customer_status": {"id": row["status_id"]}}] for row in (new, old))
        before = before if told else []
        record(account, "customer_status_changed", kind, row_id, who, at, after=after, before=before)


_FIELD_EVENTS: tuple[tuple[str, str, Callable[[Any], Row]], ...] = (
    ("name", "name_field_changed", lambda value: {"name_field_value": {"name": value}}),
    ("price", "sale_field_changed", lambda value: {"sale_field_value": {"sale": int(value)}}),
    ("responsible_user_id", "entity_responsible_changed", lambda value: {"responsible_user": {"id": value}}),
)


def _stage(row: Row) -> tuple[int, int]:
    return row["pipeline_id"], row["status_id"]


def _status(row: Row) -> Row:
    return {"lead_status": {"id": row["status_id"], "pipeline_id": row["pipeline_id"]}}


@locked
def touch(account: Account, kind: str, row_id: int, *, by: int | None = None, updated_at: int | None = None) -> None:
    """Changes only updated_at, as an integration does that writes equal values."""
    save(account, kind, row_id, {} if updated_at is None else {"updated_at": updated_at}, author(account, by),
         account.clock.now())  # fmt: skip


@locked
def move_status(
    account: Account, lead_id: int, status_id: int, pipeline_id: int | None = None, *,
    loss_reason_id: int | None = None, by: int | None = None,
) -> None:  # fmt: skip
    """Moves a deal to any stage. Closing sets closed_at; reopening clears it and the reason of loss."""
    row = account.row("leads", lead_id)
    pipeline = row["pipeline_id"] if pipeline_id is None else pipeline_id
    closed = account.clock.now() if status_id in CLOSED else None
    reason = loss_reason_id if status_id == LOST else None
    edit(account, "leads", lead_id, by=by, pipeline_id=pipeline, status_id=status_id, closed_at=closed,
         loss_reason_id=reason)  # fmt: skip


@locked
def win(account: Account, lead_id: int, *, by: int | None = None) -> None:
    move_status(account, lead_id, WON, by=by)


@locked
def lose(account: Account, lead_id: int, reason_id: int | None = None, *, by: int | None = None) -> None:
    move_status(account, lead_id, LOST, loss_reason_id=reason_id, by=by)


@locked
def reopen(account: Account, lead_id: int, *, by: int | None = None) -> None:
    """Moves a deal back to the first stage of its pipeline."""
    pipeline = account.pipeline(account.row("leads", lead_id)["pipeline_id"])
    move_status(account, lead_id, pipeline["statuses"][1]["id"], by=by)


@locked
def set_field(
    account: Account, kind: str, row_id: int, field_id: int, values: Sequence[Row] | None, *, by: int | None = None
) -> None:
    """Fills a custom field with `values`, in the form in which the API shows them. None or an empty list clears it."""
    who, at = author(account, by), account.clock.now()
    field = account.field(kind, field_id)
    filled = {f["field_id"]: f for f in account.row(kind, row_id)["custom_fields_values"] or ()}
    old = filled.pop(field_id, {"values": []})["values"]
    if values:
        filled[field_id] = entry(field, list(values))
    order = [f["id"] for f in account.fields[kind] if f["id"] in filled]
    save(account, kind, row_id, {"custom_fields_values": [filled[i] for i in order] or None}, who, at)
    specific = account.switches.field_event_type == "with_id"
    event_type = f"custom_field_{field_id}_value_changed" if specific else "custom_field_value_changed"
    after, before = ([event_field_value(field, value) for value in side] for side in (values or (), old))
    record(account, event_type, kind, row_id, who, at, after=after, before=before)


@locked
def clear_field(account: Account, kind: str, row_id: int, field_id: int, *, by: int | None = None) -> None:
    set_field(account, kind, row_id, field_id, None, by=by)


@locked
def shrink_field(account: Account, kind: str, row_id: int, field_id: int, *, by: int | None = None) -> None:
    """Removes the last value of a custom field."""
    filled = {f["field_id"]: f for f in account.row(kind, row_id)["custom_fields_values"] or ()}
    set_field(account, kind, row_id, field_id, filled[field_id]["values"][:-1], by=by)


@locked
def mass_edit(account: Account, kind: str, ids: Iterable[int], *, by: int = ROBOT, **changes: Any) -> None:
    """Changes many rows in the same second, as a robot does, or a user in a list: by default the prices of deals."""
    for row_id in ids:
        if changes:
            edit(account, kind, row_id, by=by, mass=True, **changes)
        elif kind == "leads":
            edit(account, kind, row_id, by=by, mass=True, price=account.row(kind, row_id)["price"] + 1)
        else:
            touch(account, kind, row_id, by=by)
