"""Writes of an administrator: users, stages, custom fields, unsorted requests."""

from __future__ import annotations

from collections.abc import Callable

from ..account import Account
from ..generate.dictionaries import rights
from ..store import Row
from .cards import move_status
from .core import author, locked


@locked
def add_user(account: Account, name: str, group_id: int | None = None) -> int:
    user_id = account.next_id("users")
    account.users[user_id] = {
        "id": user_id,
        "name": name,
        "email": f"user{user_id}@example.com",
        "lang": "ru",
        "rights": rights(False, group_id, account.roles[0]["id"], True, False),
    }
    return user_id


@locked
def remove_user(account: Account, user_id: int) -> None:
    """Removes a user from the list. Cards keep the user's id."""
    del account.users[user_id]


@locked
def rename_status(account: Account, pipeline_id: int, status_id: int, name: str) -> None:
    status = next(s for s in account.pipeline(pipeline_id)["statuses"] if s["id"] == status_id)
    status["name"] = name


@locked
def remove_status(account: Account, pipeline_id: int, status_id: int, heir: int) -> None:
    """Removes a stage, after its deals were moved to another one of the pipeline. Events keep the stage's id."""
    for deal in [deal["id"] for deal in account.tables["leads"] if deal["status_id"] == status_id]:
        move_status(account, deal, heir, pipeline_id)
    statuses = account.pipeline(pipeline_id)["statuses"]
    statuses[:] = [status for status in statuses if status["id"] != status_id]


@locked
def remove_field(account: Account, kind: str, field_id: int) -> None:
    """Removes a field from its list and from every card, without changing any updated_at."""
    account.fields[kind] = [f for f in account.fields[kind] if f["id"] != field_id]
    _change_filled(account, kind, field_id, lambda _: None)


@locked
def rename_field(account: Account, kind: str, field_id: int, name: str) -> None:
    """Renames a field in its list and in every card, without changing any updated_at."""
    account.fields[kind] = [{**f, "name": name} if f["id"] == field_id else f for f in account.fields[kind]]
    _change_filled(account, kind, field_id, lambda filled: {**filled, "field_name": name})


@locked
def rename_option(account: Account, kind: str, field_id: int, option: int, label: str) -> None:
    """Renames an option in its field and in every card, without changing any updated_at."""
    _change_options(account, kind, field_id, lambda enum: {**enum, "value": label} if enum["id"] == option else enum)

    def relabelled(filled: Row) -> Row:
        values = [{**v, "value": label} if v.get("enum_id") == option else v for v in filled["values"]]
        return {**filled, "values": values}

    _change_filled(account, kind, field_id, relabelled)


@locked
def remove_option(account: Account, kind: str, field_id: int, option: int, *, kept_by_cards: bool) -> None:
    """Removes an option from its field. Whether cards keep the removed option in amoCRM is unknown."""
    _change_options(account, kind, field_id, lambda enum: None if enum["id"] == option else enum)

    def without(filled: Row) -> Row | None:
        values = [value for value in filled["values"] if value.get("enum_id") != option]
        return {**filled, "values": values} if values else None

    if not kept_by_cards:
        _change_filled(account, kind, field_id, without)


@locked
def remove_element(account: Account, catalog_id: int, element: int, *, kept_by_cards: bool) -> None:
    """Removes an element from its catalog, without an event. Whether cards keep the link in amoCRM is unknown."""
    account.elements[catalog_id].remove(element)
    for card, links in account.links.elements.items() if not kept_by_cards else ():
        account.links.elements[card] = tuple(one for one in links if one["id"] != element)


@locked
def remove_tag(account: Account, kind: str, tag_id: int) -> None:
    """Removes a tag from its list and from every card, without an event or a new updated_at."""
    account.tag_list[kind] = [one for one in account.tag_list[kind] if one["id"] != tag_id]
    for row_id, tags in account.tags[kind].items():
        account.tags[kind][row_id] = tuple(one for one in tags if one["id"] != tag_id)


def _change_options(account: Account, kind: str, field_id: int, change: Callable[[Row], Row | None]) -> None:
    rows = []
    for field in account.fields[kind]:
        if field["id"] == field_id:
            name = "nested" if field.get("nested") else "enums"
            field = {**field, name: [new for enum in field[name] if (new := change(enum)) is not None]}
        rows.append(field)
    account.fields[kind] = rows


def _change_filled(account: Account, kind: str, field_id: int, change: Callable[[Row], Row | None]) -> None:
    """Changes the field's values in every card that has some."""
    table = account.tables[kind]
    for row in list(table):
        filled = row["custom_fields_values"] or []
        if any(field["field_id"] == field_id for field in filled):
            changed = [change(field) if field["field_id"] == field_id else field for field in filled]
            table.put(row["id"], {**row, "custom_fields_values": [field for field in changed if field] or None})


@locked
def accept_unsorted(account: Account, uid: str, *, by: int | None = None) -> int:
    """Accepts an unsorted request: its deal and contact become ordinary ones. Returns the deal's id."""
    who, at = author(account, by), account.clock.now()
    record = account.unsorted.pop(uid)
    lead_id: int = record["lead"]
    hidden = account.hidden["leads"].pop(lead_id, None)
    if hidden is not None:
        account.tables["leads"].put(lead_id, hidden)
    contact = account.hidden["contacts"].pop(record["contact"])
    dated = {"updated_at": at, "updated_by": who} if account.switches.accept_bumps else {}
    account.tables["contacts"].put(contact["id"], {**contact, "is_unsorted": False, **dated})
    added = {"note": {"id": account.next_id("notes")}}
    account.record("contact_added", "contact", contact["id"], by=who, at=at, after=[added])
    move_status(account, lead_id, account.pipeline(record["pipeline_id"])["statuses"][1]["id"], by=by)
    return lead_id
