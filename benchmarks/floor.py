"""The fewest requests that can read an account: full pages, and at least one request a list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from math import ceil
from typing import Any

from sandbox.account import Account

PER_SECOND = 7
FASTEST = 50
"""The largest rate that the settings allow (requests a second)."""
UNBOUND: Mapping[str, Any] = {"requests_per_second": FASTEST, "num_workers": 4}
"""Settings without a rate limit. Four threads keep the CPU busy; pages that more threads fetch wait in memory."""
ROWS = 250
EVENTS = 100
FILES = 50

Sizes = Callable[[Account], Mapping[str, int]]
"""Returns the number of rows of each list, by its name."""


def _table(*names: str) -> Sizes:
    return lambda account: {name: len(account.tables[name]) for name in names}


def _short(*names: str) -> Sizes:
    return lambda account: {name: len(getattr(account, name)) for name in names}


def _again(*names: str) -> Sizes:
    """The lists of live entities, which are read separately from the lists of the cards."""
    return lambda account: {f"ids of {name}": len(account.tables[name]) for name in names}


def _fields(account: Account) -> Mapping[str, int]:
    return {f"{kind}/custom_fields": len(rows) for kind, rows in account.fields.items()}


def _groups(account: Account) -> Mapping[str, int]:
    return {f"{kind}/groups": len(rows) for kind, rows in account.field_groups.items() if kind != "customers/segments"}


def _tags(account: Account) -> Mapping[str, int]:
    return {f"{kind}/tags": len(rows) for kind, rows in account.tag_list.items()}


def _elements(account: Account) -> Mapping[str, int]:
    return {"catalogs": len(account.catalogs)} | {
        f"catalogs/{catalog_id}/elements": len(table) for catalog_id, table in account.elements.items()
    }


def _chats(account: Account) -> Mapping[str, int]:
    """The events of chats, which name talks that the list of talks may lack."""
    return {"chats": sum(event.type.endswith("_chat_message") for event in account.events)}


_NOTES = _table("leads/notes", "contacts/notes", "companies/notes", "customers/notes")
LISTS: Mapping[str, tuple[Sizes, ...]] = {
    "deals": (_table("leads"),),
    "custom_fields_deals": (_table("leads"), lambda _: {"leads/custom_fields": 1}),
    "contacts": (_table("contacts"),),
    "companies": (_table("companies"),),
    "customers": (_table("customers"),),
    "tasks": (_table("tasks"),),
    "notes": (_NOTES,),
    "statuses": (_short("pipelines"),),
    "users": (_short("users"),),
    "custom_fields": (_fields, _short("catalogs")),
    "customer_statuses": (_short("customer_statuses"),),
    "customer_segments": (_short("segments"),),
    "customer_transactions": (_table("transactions"),),
    "catalog_elements": (_elements,),
    "loss_reasons": (_short("loss_reasons"),),
    "tags": (_tags,),
    "custom_field_groups": (_groups, _short("catalogs")),
    "roles": (_short("roles"),),
    "sources": (_short("sources"),),
    "webhooks": (_short("webhooks"),),
    "widgets": (_short("widgets"),),
    "event_types": (lambda _: {"event_types": 1},),
    "unsorted": (_short("unsorted"),),
    "talks": (_short("talks"), _chats),
    "bots": (_short("bots"),),
    "files": (_short("files"),),
    "live_entities": (_again("leads", "contacts", "companies", "customers"),),
}
"""The lists of each stream. Other streams are made from the same lists, or from `/account`."""


def fewest_pages(account: Account, streams: Collection[str], events_page: int = EVENTS) -> int:
    """Counts every page of the streams' lists and one request for `/account`, but none for deletions or restores."""
    sizes: dict[str, int] = {}
    for stream in streams:
        for sizes_of in LISTS.get(stream, ()):
            sizes |= sizes_of(account)
    pages = 1 + sum(_pages(rows, FILES if name == "files" else ROWS) for name, rows in sizes.items())
    if "events" in streams:
        pages += _pages(len(account.events), events_page)
    elif "deal_statuses" in streams:
        pages += _pages(sum(event.type == "lead_status_changed" for event in account.events), events_page)
    return pages


def _pages(rows: int, limit: int) -> int:
    return max(1, ceil(rows / limit))
