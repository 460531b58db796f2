"""Moves cards to the trash and back, removes them for ever, and merges them."""

from __future__ import annotations

from ..account import Account
from ..account_data import ENTITIES, SINGULAR, Gone
from ..store import Row
from .core import author, bump, locked, record, refresh_closest_task, save
from .links import write_link_events

RESTORED = ("leads", "contacts", "companies")  # kinds whose restoring has an event


def _neighbours(account: Account, kind: str, row_id: int) -> list[tuple[str, int]]:
    return [(to, to_id) for to in ENTITIES for to_id in account.links.of(kind, row_id, to)]


def _change_neighbours(account: Account, kind: str, row_id: int, by: int, *, linked: bool) -> None:
    """Changes the linked cards when a card goes to the trash or comes back, by the switch `trash_links`."""
    how = account.switches.trash_links
    for to, to_id in _neighbours(account, kind, row_id) if how.startswith("hidden_") else ():
        if how == "hidden_events":
            write_link_events(account, to, to_id, kind, row_id, linked=linked, by=by)
        else:
            bump(account, to, to_id, by, account.clock.now())


def _activity(account: Account, kind: str, row_id: int) -> list[tuple[str, Row]]:
    """Returns a card's tasks and notes, each with the name of its table."""
    rows = ((name, row) for name in ("tasks", f"{kind}/notes") for row in account.tables[name])
    return [(name, row) for name, row in rows if row["entity_id"] == row_id and row.get("entity_type", kind) == kind]


@locked
def trash(account: Account, kind: str, row_id: int, *, by: int | None = None) -> None:
    """Moves a card to the trash."""
    who, at = author(account, by), account.clock.now()
    gone = Gone(kind, row_id, at, who, "trash", account.tables[kind].remove(row_id))
    account.trash[kind][row_id] = account.gone[kind, row_id] = gone
    record(account, f"{SINGULAR[kind]}_deleted", kind, row_id, who, at)
    _change_neighbours(account, kind, row_id, who, linked=False)
    if account.switches.trash_activity == "hidden":
        account.hidden_activity[kind, row_id] = [
            (name, account.tables[name].remove(one["id"])) for name, one in _activity(account, kind, row_id)
        ]


@locked
def restore(account: Account, kind: str, row_id: int, *, by: int | None = None) -> None:
    """Moves a card from the trash back to its list, with its old updated_at unless `restore_bumps`."""
    who, at = author(account, by), account.clock.now()
    row = account.trash[kind].pop(row_id).row
    del account.gone[kind, row_id]
    account.tables[kind].put(row_id, row)
    if account.switches.restore_bumps:
        bump(account, kind, row_id, who, at)
    if kind in RESTORED:
        record(account, f"{SINGULAR[kind]}_restored", kind, row_id, who, at)
    _change_neighbours(account, kind, row_id, who, linked=True)
    for name, one in account.hidden_activity.pop((kind, row_id), ()):
        account.tables[name].put(one["id"], one)


@locked
def purge(account: Account, kind: str, row_id: int) -> None:
    """Removes a card from the trash for ever, without an event."""
    gone = account.trash[kind].pop(row_id)
    account.gone[kind, row_id] = Gone(kind, row_id, gone.at, gone.by, "purge", gone.row)


@locked
def vanish(account: Account, kind: str, row_id: int) -> None:
    """Removes a card from its list for ever, without an event."""
    row = account.tables[kind].remove(row_id)
    account.gone[kind, row_id] = Gone(kind, row_id, account.clock.now(), 0, "purge", row)


@locked
def merge(account: Account, kind: str, survivor: int, victim: int, *, by: int | None = None) -> None:
    """Merges two cards: moves the victim's fields, tags and links to the survivor and removes the victim."""
    who, at = author(account, by), account.clock.now()
    row = account.tables[kind].remove(victim)
    account.gone[kind, victim] = Gone(kind, victim, at, who, "merge", row)
    kept = account.row(kind, survivor)
    save(account, kind, survivor, {"custom_fields_values": _merged_fields(account, kind, kept, row)}, who, at)
    tags = {t["id"]: t for t in (*account.tags_of(kind, survivor), *account.tags[kind].pop(victim, ()))}
    if tags:
        account.tags[kind][survivor] = tuple(tags.values())
    for to, to_id in _neighbours(account, kind, victim):
        account.links.drop(kind, victim, to, to_id)
        _relink(account, kind, survivor, to, to_id, who)
    _move_activity(account, kind, survivor, victim, who, at)
    carried = survivor if account.switches.merged_carries == "survivor" else victim
    record(account, "entity_merged", kind, carried, who, at)


def _relink(account: Account, kind: str, survivor: int, to: str, to_id: int, by: int) -> None:
    full = to == "companies" and account.links.of(kind, survivor, to)
    if not full and to_id not in account.links.of(kind, survivor, to):
        account.links.add(kind, survivor, to, to_id)
    for side, side_id in ((kind, survivor), (to, to_id)):
        contacts = account.links.of(side, side_id, "contacts")
        if side in ("leads", "customers") and contacts:
            account.links.main.setdefault((side, side_id), contacts[0])
    write_link_events(account, to, to_id, kind, survivor, linked=True, by=by, events=account.switches.merge_link_events)


def _merged_fields(account: Account, kind: str, kept: Row, lost: Row) -> list[Row] | None:
    filled = {f["field_id"]: f for row in (lost, kept) for f in row["custom_fields_values"] or ()}
    return [filled[f["id"]] for f in account.fields[kind] if f["id"] in filled] or None


def _move_activity(account: Account, kind: str, survivor: int, victim: int, by: int, at: int) -> None:
    """Moves the victim's tasks and notes to the survivor, unless `merge_activity` is "stays"."""
    how = account.switches.merge_activity
    if how == "stays":
        return
    times: Row = {"updated_at": at, "updated_by": by} if how == "moves_bumped" else {}
    for name, row in _activity(account, kind, victim):
        account.tables[name].put(row["id"], {**row, **times, "entity_id": survivor})
    refresh_closest_task(account, kind, survivor, by, at)
