"""Writes of links, tags and linked catalog elements."""

from __future__ import annotations

from typing import Any

from ..account import Account
from ..account_data import SINGULAR
from ..store import Row
from .core import author, bump, locked, record

ONE_COMPANY = ("leads", "contacts", "customers")  # each has one company at most


@locked
def link(
    account: Account, kind: str, row_id: int, to: str, to_id: int, *, main: bool = False, by: int | None = None,
    born: bool = False,
) -> None:  # fmt: skip
    """Links a contact, company, customer or deal. A second company replaces the first.

    `born`: the card is being created; the switch `birth_links` decides what tells of the link.
    """
    links = account.links
    if to_id in links.of(kind, row_id, to):
        return
    for side, side_id, other in ((kind, row_id, to), (to, to_id, kind)):
        if other == "companies" and side in ONE_COMPANY:
            for company in links.of(side, side_id, "companies"):
                unlink(account, side, side_id, "companies", company, by=by)
    links.add(kind, row_id, to, to_id)
    for side, side_id, other, other_id in ((kind, row_id, to, to_id), (to, to_id, kind, row_id)):
        if side in ("leads", "customers") and other == "contacts" and (main or (side, side_id) not in links.main):
            links.main[side, side_id] = other_id
    if not born or account.switches.birth_links == "told":
        write_link_events(account, kind, row_id, to, to_id, linked=True, by=author(account, by))


@locked
def unlink(account: Account, kind: str, row_id: int, to: str, to_id: int, *, by: int | None = None) -> None:
    if to_id in account.links.of(kind, row_id, to):
        account.links.drop(kind, row_id, to, to_id)
        write_link_events(account, kind, row_id, to, to_id, linked=False, by=author(account, by))


@locked
def set_main_contact(account: Account, kind: str, row_id: int, contact: int, *, by: int | None = None) -> None:
    """Makes another linked contact the main one, which has no event."""
    account.links.main[kind, row_id] = contact
    if account.switches.links_bump:
        bump(account, kind, row_id, author(account, by), account.clock.now())


def write_link_events(
    account: Account, kind: str, row_id: int, to: str, to_id: int, *, linked: bool, by: int, events: bool = True
) -> None:
    """Writes the events of a change of links, at one card or both, and, with `links_bump`, sets updated_at."""
    at, switches = account.clock.now(), account.switches
    sides = [(kind, row_id, to, to_id), (to, to_id, kind, row_id)]
    for side, side_id, other, other_id in sides if switches.link_event_sides == "both" else sides[:1]:
        if events:
            generic = switches.link_events == "entity"
            verb = "linked" if linked else "unlinked"
            values = _link_values(account, linked, other, other_id)
            record(account, f"{'entity' if generic else SINGULAR[other]}_{verb}", side, side_id, by, at, **values)
    if switches.links_bump:
        for side, side_id, _, _ in sides[:1] if switches.links_bump == "own" else sides:
            bump(account, side, side_id, by, at)


def _link_values(account: Account, linked: bool, other: str, other_id: int) -> dict[str, Any]:
    entity: Row = {"entity": {"type": SINGULAR[other], "id": other_id}}
    if linked:
        return {"after": [{"link": entity}]}
    shape = account.switches.unlink_shape
    if shape == "before":
        return {"before": [{"link": entity}]}
    return {"after": [{"unlink" if shape == "after_unlink" else "link": entity}]}


@locked
def tag(account: Account, kind: str, row_id: int, name: str, *, by: int | None = None) -> None:
    """Tags a card, and creates the tag if the account has none of that name."""
    known = next((t for t in account.tag_list[kind] if t["name"] == name), None)
    if known is None:
        known = {"id": account.next_id(f"{kind}/tags"), "name": name, "color": None}
        account.tag_list[kind].append(known)
    tags = account.tags_of(kind, row_id)
    if known["id"] not in [t["id"] for t in tags]:
        account.tags[kind][row_id] = (*tags, known)
        _tag_event(account, "entity_tag_added", kind, row_id, by, after=[{"tag": {"name": name}}])


@locked
def untag(account: Account, kind: str, row_id: int, name: str, *, by: int | None = None) -> None:
    tags = account.tags_of(kind, row_id)
    if name in [t["name"] for t in tags]:
        account.tags[kind][row_id] = tuple(t for t in tags if t["name"] != name)
        _tag_event(account, "entity_tag_deleted", kind, row_id, by, before=[{"tag": {"name": name}}])


def _tag_event(account: Account, event_type: str, kind: str, row_id: int, by: int | None, **values: Any) -> None:
    who, at = author(account, by), account.clock.now()
    record(account, event_type, kind, row_id, who, at, **values)
    if account.switches.tags_bump:
        bump(account, kind, row_id, who, at)


@locked
def attach_element(
    account: Account, kind: str, row_id: int, catalog_id: int, element_id: int, quantity: float = 1, *,
    by: int | None = None,
) -> None:  # fmt: skip
    """Links a product or another catalog element, or changes the quantity of a linked one."""
    others = [e for e in account.links.elements.get((kind, row_id), ()) if e["id"] != element_id]
    metadata = {"quantity": quantity, "catalog_id": catalog_id, "price_id": None}
    account.links.elements[kind, row_id] = (*others, {"id": element_id, "metadata": metadata})
    _element_event(account, kind, row_id, catalog_id, element_id, by, linked=True)


@locked
def detach_element(account: Account, kind: str, row_id: int, element_id: int, *, by: int | None = None) -> None:
    attached = account.links.elements.get((kind, row_id), ())
    account.links.elements[kind, row_id] = tuple(e for e in attached if e["id"] != element_id)
    for element in attached:
        if element["id"] == element_id:
            _element_event(account, kind, row_id, element["metadata"]["catalog_id"], element_id, by, linked=False)


def _element_event(
    account: Account, kind: str, row_id: int, catalog_id: int, element_id: int, by: int | None, *, linked: bool
) -> None:
    who, at = author(account, by), account.clock.now()
    entity = {"entity": {"type": f"catalog_{catalog_id}", "id": element_id}}
    values = {"after": [{"link": entity}]} if linked else {"before": [{"link": entity}]}
    record(account, "entity_linked" if linked else "entity_unlinked", kind, row_id, who, at, **values)
    if account.switches.links_bump:
        bump(account, kind, row_id, who, at)
