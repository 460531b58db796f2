"""Fills an account with three years of history. The result depends only on the seed and the arguments."""

from __future__ import annotations

import gc
from random import Random

from ..account_data import ENTITIES, AccountData
from . import activity, changes, deals, dictionaries, extras, fields, people
from .history import History
from .timeline import Timeline

LARGE = 10_000  # deals from which on indexes are built in advance
QUIET = 3_601  # time before `now` in which nothing happens (seconds)


def populate(account: AccountData, rng: Random, leads: int, now: int, own_fields: int = 0) -> None:
    """Adds `leads` deals and other rows in realistic proportions, all at least an hour older than `now`.

    `own_fields`: number of custom fields for each kind of cards beside those that every generated account has.
    """
    collecting = gc.isenabled()
    gc.disable()  # none of the many objects that are built is garbage
    try:
        _populate(account, rng, leads, Timeline(rng, now - QUIET, leads), own_fields)
    finally:
        if collecting:
            gc.enable()
        if leads >= LARGE:
            _warm(account)
            gc.freeze()  # keeps later collections from walking over millions of rows


def _warm(account: AccountData) -> None:
    """Builds the indexes of the lists, so that the first requests are not slower than later ones."""
    for table in account.tables.values():
        for field in ("id", "updated_at"):
            table.index(field)
    account.events.by("type")


def _populate(account: AccountData, rng: Random, leads: int, time: Timeline, own_fields: int) -> None:
    history = History(rng)
    users = dictionaries.add_people(account)
    dictionaries.add_pipelines(account, rng)
    dictionaries.add_short_lists(account, time.start)
    for entity in (*ENTITIES, "customers/segments"):
        fields.add_fields(account, entity, entity, own_fields if entity in ENTITIES else 0)
        account.field_groups[entity] = extras.field_groups(entity)
    extras.add_customer_lists(account, time.start)
    extras.add_catalogs(account, rng, time, min(12 + leads // 50, 2_000))
    people.add_companies(account, rng, time, history, users, leads // 4)
    people.add_contacts(account, rng, time, history, users, leads * 9 // 10)
    people.add_customers(account, rng, time, history, users, leads // 20)
    deals.Deals(account, rng, time, history, users).add(leads)
    people.delete_some(account, rng, time, history, users[0])
    activity.add_tasks(account, rng, time, history, users, leads * 6 // 10)
    activity.add_notes(account, rng, time, history, users, leads * 12 // 10)
    extras.add_transactions(account, rng, time)
    if leads:
        extras.add_unsorted(account, rng, users, time.moments(min(1 + leads // 100, 60)))
    extras.add_bots(account)
    extras.add_talks_and_files(account, rng, time, history, min(3 + leads // 20, 500))
    changes.add_changes(account, rng, time, history, users[0])
    account.load_events(history.events)
