"""An account whose history consists of random writes, and a probe of it without sockets."""

from __future__ import annotations

from typing import Any

from amocrm_probe.probe_run import Probe, probe_of
from sandbox import Account, ManualClock, Sandbox, Switches, writes
from sandbox.store import EventTable
from source_amocrm import source
from source_amocrm.account.event_kinds import LINKED, TAGGED

from .connector import config, without_sockets

CARDS = ("leads", "contacts", "companies")


def probed(sandbox: Sandbox, **settings: Any) -> Probe:
    with without_sockets(sandbox):
        account = source.open_account(config(sandbox, **settings))
        probe = probe_of(account)
        probe.run()
    return probe


def lived_in(switches: Switches, leads: int = 260) -> Account:
    """Generates cards without notes, tasks and events of links and tags, then adds these by writes at known times."""
    clock = ManualClock()
    account = Account.generate(seed=1, leads=leads, clock=clock, switches=switches)
    for name in ("tasks", *(f"{kind}/notes" for kind in CARDS)):
        for row_id in list(account.tables[name].rows):
            account.tables[name].remove(row_id)
    events, account.events = list(account.events), EventTable()
    account.load_events(event for event in events if event.type not in LINKED | TAGGED)
    for kind in CARDS:
        _work(account, clock, kind)
    writes.add_note(account, "leads", next(iter(account.tables["leads"].rows)), note_type="service_message", params={})
    _merges(account, clock)
    clock.advance(3_600)
    account.show_late_events()
    return account


def _work(account: Account, clock: ManualClock, kind: str) -> None:
    ids = list(account.tables[kind].rows)
    for number, row_id in enumerate(ids[:40]):
        clock.advance(7)
        action = number % 8
        if action == 0:
            writes.tag(account, kind, row_id, f"tag {number}")
        elif action == 1:
            note = writes.add_note(account, kind, row_id)
            if number > 20:
                clock.advance(7)
                writes.delete_note(account, kind, note)
        elif action == 2:
            writes.add_task(account, kind, row_id)
        elif action == 3:
            writes.trash(account, kind, row_id)
            clock.advance(7)
            if number > 12:
                writes.restore(account, kind, row_id)
        elif action == 4 and kind == "leads":
            _links(account, clock, row_id, number)
        elif action == 5:
            writes.edit(account, kind, row_id, name=f"name {number}")
    clock.advance(7)
    for row_id in ids[40:60]:
        writes.touch(account, kind, row_id)


def _links(account: Account, clock: ManualClock, lead: int, number: int) -> None:
    """Links a deal with a contact that no other write uses and, for later deals, unlinks it again."""
    contacts = list(account.tables["contacts"].rows)[100:]
    writes.link(account, "leads", lead, "contacts", contacts[number])
    clock.advance(7)
    if number > 20:
        writes.unlink(account, "leads", lead, "contacts", contacts[number])


def _merges(account: Account, clock: ManualClock) -> None:
    ids = list(account.tables["contacts"].rows)[-6:]
    for survivor, victim in zip(ids[::2], ids[1::2], strict=True):
        clock.advance(7)
        writes.merge(account, "contacts", survivor, victim)
