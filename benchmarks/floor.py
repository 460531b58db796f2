"""The fewest requests that can read an account: pages of 250 rows or 100 events, and the dictionaries."""

from __future__ import annotations

from collections.abc import Collection
from math import ceil

from integration_tests.sandbox.account import Account

PER_SECOND = 7
ROWS = 250
EVENTS = 100
DICTIONARIES = {
    "statuses": ("pipelines",),
    "users": ("users",),
    "custom_fields": ("leads", "contacts", "companies", "customers", "segments", "catalogs"),
    "custom_fields_deals": ("leads",),
}
LISTS = {
    "deals": ("leads",),
    "custom_fields_deals": ("leads",),
    "contacts": ("contacts",),
    "companies": ("companies",),
    "tasks": ("tasks",),
    "notes": ("leads/notes", "contacts/notes", "companies/notes", "customers/notes"),
}


def fewest_pages(account: Account, streams: Collection[str]) -> int:
    """One request for every page there is, `/account` included; nothing for deletions, restores or ends of lists."""
    lists = {name for stream in streams for name in LISTS.get(stream, ())}
    dictionaries = {name for stream in streams for name in DICTIONARIES.get(stream, ())}
    pages = 1 + sum(_pages(len(account.tables[name]), ROWS) for name in lists)
    pages += len(dictionaries) + (len(account.catalogs) if "custom_fields" in streams else 0)
    if "events" in streams:
        pages += _pages(len(account.events), EVENTS)
    elif "deal_statuses" in streams:
        pages += _pages(sum(event.type == "lead_status_changed" for event in account.events), EVENTS)
    return pages


def _pages(rows: int, limit: int) -> int:
    return max(1, ceil(rows / limit))
