"""`source-amocrm verify` on working days: no alarm whatever people do, and every damage found.

`DAYS=200 pytest integration_tests/test_verify_days.py` draws that many days for each database.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from amocrm_warehouse.sync import Outcome
from amocrm_warehouse.verify import verification
from amocrm_warehouse.verify.findings import Verification
from sandbox import Account, Switches, writes
from source_amocrm.account.resources import CARDS
from source_amocrm.streams import STREAMS
from source_amocrm.streams.base import PartsStream
from testing import models
from testing.combinations import one_in
from testing.connector import config, messages, without_sockets
from testing.schedules import ODD, Menu, Schedule

DAYS = int(os.environ.get("DAYS", "2"))
pytestmark = pytest.mark.parametrize("database", one_in(2, ("duckdb", "postgres")), indirect=True)


class Day:
    """An account on a day of random writes, and its tables, as the connector's messages fill them.

    `rows`: the tables' rows by key, which a test may damage. `ahead`: the lead of this machine's clock (seconds).
    `stored`: the rows that the database has (JSON). A day has a DuckDB file of its own: one with the tables of all days
    would take longer to open with each of them.
    """

    def __init__(self, seed: int, database: str, folder: Path, menu: Menu = writes.ORDINARY, leads: int = 25) -> None:
        self.schedule = Schedule(seed, leads=leads, menu=menu, restless=0.1)
        self.schedule.busy = False
        self.account, self.clock, self.ahead = self.schedule.account, self.schedule.clock, 0.0
        self.rows = self.schedule.destination.rows
        self.config, self.project = folder / "config.json", f"d{seed}"
        self.is_postgres = database.startswith("postgresql:")
        self.database = database if self.is_postgres else str(folder / "crm.duckdb")
        self.stored: dict[str, str] = {}
        self.settings = {"lookback_window": self.schedule.settings["lookback_window"]}
        self.config.write_text(json.dumps(config(self.schedule.sandbox, **self.settings)), encoding="utf-8")
        self.config.chmod(0o600)
        self.clock.advance(10)  # a sync reads events that are a second old
        self.syncs: list[dict[str, Any]] = []

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def plain(self) -> Day:
        """Makes the account one of amoCRM's usual ones, and syncs it when its rows are older than the look-back."""
        vars(self.account.switches).update(vars(Switches()))
        self.clock.advance(600)
        self.sync()
        return self

    def lose(self, name: str, count: int, newest: str | None = None) -> None:
        """Takes live rows from a table: the first, or the newest by a column."""
        live = [(key, row) for key, row in self.rows[name].items() if not row.get("is_deleted")]
        live = sorted(live, key=lambda one: str(one[1][newest]), reverse=True) if newest else live
        for key, _ in live[:count]:
            del self.rows[name][key]
        self.store()

    def sync(self, *_: Any, **__: Any) -> Outcome:
        began = datetime.fromtimestamp(self.clock.time(), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        state = self.schedule.destination.state()
        reading = messages(self.schedule.sandbox, state=state, ahead=self.ahead, **self.settings)
        self.schedule.destination.take(reading)
        self.syncs.append({"started_at": began, "ended_at": began, "ended_well": True, "tables": {}})
        self.store()
        return Outcome(complete={*STREAMS})

    def store(self) -> None:
        """Writes the rows, as they are now, into the tables that hold others."""
        tables = {name: list(self.rows.get(name, {}).values()) for name in STREAMS} | {"syncs": self.syncs}
        texts = {name: json.dumps(rows, default=str) for name, rows in tables.items()}
        changed = {name: tables[name] for name, text in texts.items() if text != self.stored.get(name)}
        models.store(self.database, self.project, changed, "postgres" if self.is_postgres else "duckdb")
        self.stored = texts

    @contextmanager
    def people_at_work(self) -> Iterator[None]:
        self.schedule.busy = True
        yield
        self.schedule.busy = False

    def verify(self, **options: Any) -> Verification:
        with (
            without_sockets(self.schedule.sandbox, ahead=self.ahead),
            mock.patch.object(verification, "sync", self.sync),
            mock.patch.object(verification, "sleep", self.sleep),
        ):
            return verification.verify(self.config, self.database, self.project, kept=False, **options)


def alarms(found: Verification) -> dict[str, str]:
    """Returns the tables with a difference that is no limit of a sync."""
    return {name: f"{one}" for name, one in found.tables.items() if one.differences > one.limits.total() or one.failure}


@pytest.mark.parametrize("seed", range(1, DAYS + 1))
def test_people_at_work_raise_no_alarm(seed: int, database: str, tmp_path: Path) -> None:
    day = Day(seed, database, tmp_path)
    day.sync()
    day.schedule.work(20)
    with day.people_at_work():
        found = day.verify()
    assert (alarms(found), found.exit_code) == ({}, 0), found.sentence()


DAMAGE: dict[str, Callable[[Any], Any]] = {
    "text": lambda _: "wrong", "int": lambda value: (value or 0) + 987_654, "number": lambda _: 0.125,
    "bool": lambda value: not value, "json": lambda _: [77], "time": lambda _: "2021-01-02T03:04:05Z",
}  # fmt: skip
"""By the kind of a column, another value than the one that it has."""
COLUMNS_OF_OTHER_LISTS = {("contacts", "company_name"), ("deal_statuses", "loss_reason_id")}
"""Columns that a sync fills from another list: they are not compared."""
MAINS = {"leads": "deals", **{name: name for name in ("contacts", "companies", "customers")}}
MOMENTS_OF_READING = {"listed_at", "read_at"}


def current(day: Day, name: str) -> list[dict[str, Any]]:
    """Returns the rows of a table that the account has, too: neither deleted nor of a part that a card had."""
    rows, stream = list(day.rows.get(name, {}).values()), STREAMS[name]
    if issubclass(stream, PartsStream):
        [card] = [one for one in CARDS if f"{one.entity}_id" == stream.primary_key[0]]
        cards = {row[STREAMS[MAINS[card.name]].primary_key[0]]: row for row in day.rows[MAINS[card.name]].values()}
        rows = [row for row in rows if not cards[row[stream.primary_key[0]]]["is_deleted"]]
    return [row for row in rows if not row.get("is_deleted")]


def test_one_value_in_each_column_of_each_table_is_found(database: str, tmp_path: Path) -> None:
    day, again = Day(6, database, tmp_path), tmp_path / "again.json"
    day.sync()
    wanted = set()
    for name, stream in STREAMS.items():
        rows, cursor = current(day, name), str(stream.cursor_field or "")
        if name == "messages":  # of the SMS with another element_type, nothing but its key would be told
            rows = [row for row in rows if row["note_id"] is None]
        columns = {*models.kinds(name)} - {*stream.primary_key, *MOMENTS_OF_READING, "is_deleted", cursor}
        # a row whose date differs is older, and says nothing else; the parts of an older card are not compared
        dated = rows.pop(0 if issubclass(stream, PartsStream) else -1) if rows and cursor else {}
        for number, column in enumerate(sorted(columns) if rows else ()):
            row = rows[number % len(rows)]
            row[column] = DAMAGE[models.kinds(name)[column]](row.get(column))
            wanted.add((name, column))
        if dated and not name.startswith("customer_"):  # so few customers: the row would be of the older one
            dated[cursor] = "2021-01-02T03:04:05Z"
            wanted.add((name, cursor))
    day.store()
    found = day.verify(no_sync=True, again=again)
    assert found.exit_code == 3
    differing = json.loads(again.read_text(encoding="utf-8"))["differences"]
    columns_found = {(one["stream"], column) for one in differing for column in one["values"]}
    columns_found |= {(name, column) for name, one in found.tables.items() for column in one.uncounted}
    columns_found |= {
        (one["stream"], str(STREAMS[one["stream"]].cursor_field)) for one in differing if one["kind"] == "missing"
    }
    assert wanted - columns_found == COLUMNS_OF_OTHER_LISTS


def differences(found: Verification) -> dict[str, int]:
    return {name: one.differences for name, one in found.tables.items() if one.differences}


def test_a_link_that_goes_when_the_trash_is_emptied_is_no_fault(database: str, tmp_path: Path) -> None:
    """amoCRM shows the links to a card as long as it is in the trash. No date and no event tells when it leaves."""
    day = Day(6, database, tmp_path).plain()
    links = {"contacts": "main_contact", "companies": "company"}
    cards = {to: next(row[column] for row in current(day, "deals") if row[column]) for to, column in links.items()}
    for to, card in cards.items():
        writes.trash(day.account, to, card)
    assert day.verify().exit_code == 0
    day.clock.advance(86_400)
    for to, card in cards.items():
        writes.purge(day.account, to, card)
    vars(day.account.switches).update(trash_links="hidden")
    found = day.verify()
    assert (differences(found), found.exit_code) == ({}, 0), found.sentence()
    assert found.tables["deals"].uncounted["links to cards in the trash"] > 0
    assert found.tables["deal_contacts"].uncounted["links to cards in the trash"] > 0
    row = next(one for one in current(day, "deals") if one["company"] not in (None, cards["companies"]))
    row["company"] = None
    day.store()
    assert differences(day.verify()) == {"deals": 1}


@pytest.mark.parametrize(
    ("event_names", "uncounted"), [("survivor", "links to merged cards"), ("victim", "links to cards in the trash")]
)
def test_a_link_to_a_merged_deal_is_no_fault(event_names: str, uncounted: str, database: str, tmp_path: Path) -> None:
    """The company of a deal that is merged into one with another company loses it, and nothing tells that company."""
    day = Day(6, database, tmp_path).plain()
    vars(day.account.switches).update(merge_link_events=False, links_bump=False, merged_carries=event_names)
    of_company = {row["company"]: row["lead_id"] for row in current(day, "deals") if row["company"]}
    (company, victim), (_, survivor) = list(of_company.items())[:2]
    day.clock.advance(600)
    writes.merge(day.account, "leads", survivor, victim)
    day.clock.advance(600)
    day.sync()
    row = next(one for one in current(day, "companies") if one["company_id"] == company)
    assert victim in row["leads"]
    assert victim not in day.account.linked("companies", company, "leads")
    synced = len(day.syncs)
    found = day.verify()
    assert (differences(found), found.exit_code, len(day.syncs) - synced) == ({}, 0, 1), found.sentence()
    assert found.tables["companies"].uncounted[uncounted] == 1
    next(one for one in current(day, "companies") if {*one["leads"]} - {victim})["leads"] = []
    day.store()
    assert differences(day.verify()) == {"companies": 1}


def test_what_amocrm_hides_with_a_card_in_the_trash_is_no_fault(database: str, tmp_path: Path) -> None:
    """amoCRM tells of no deletion, so a sync keeps the rows. What a live card loses in silence is a difference."""
    day = Day(6, database, tmp_path).plain()
    day.account.switches.trash_activity = "hidden"
    owners = {kind: [row["entity_id"] for row in day.account.tables[f"{kind}/notes"]] for kind in ("leads", "contacts")}
    owners["leads"] += [row["entity_id"] for row in day.account.tables["tasks"] if row["entity_type"] == "leads"]
    for kind, cards in owners.items():
        for card in sorted({*cards} & day.account.tables[kind].rows.keys())[::2]:
            writes.trash(day.account, kind, card)
    day.clock.advance(86_400)
    found = day.verify()
    assert (differences(found), found.exit_code) == ({}, 0), found.sentence()
    assert {name for name, one in found.tables.items() if one.uncounted["notes and tasks of cards in the trash"]} == {
        "notes", "calls", "messages", "tasks"
    }  # fmt: skip
    notes = day.account.tables["leads/notes"]
    notes.remove(next(row["id"] for row in notes if row["note_type"] == "common"))
    day.account.tables["tasks"].remove(next(iter(day.account.tables["tasks"]))["id"])
    assert differences(day.verify()) == {"notes": 1, "tasks": 1}


@pytest.mark.parametrize("event_names", ["survivor", "victim"])
def test_what_amocrm_hides_with_a_card_that_was_merged_before_is_no_fault(
    event_names: str, database: str, tmp_path: Path
) -> None:
    """A sync saw the tasks at the deal that was merged, and sees them at the other one, in the trash, no more."""
    day = Day(6, database, tmp_path).plain()
    vars(day.account.switches).update(trash_activity="hidden", merged_carries=event_names)
    owners = {row["entity_id"] for row in day.account.tables["tasks"] if row["entity_type"] == "leads"}
    victim, survivor = sorted(owners & day.account.tables["leads"].rows.keys())[:2]
    day.clock.advance(600)
    writes.merge(day.account, "leads", survivor, victim)
    writes.trash(day.account, "leads", survivor)
    day.clock.advance(86_400)
    found = day.verify()
    assert (differences(found), found.exit_code) == ({}, 0), found.sentence()
    assert found.tables["tasks"].uncounted["notes and tasks of cards in the trash"] > 1


def waiting(found: Verification) -> dict[str, int]:
    return {name: one.waiting for name, one in found.tables.items() if one.waiting}


def ids(account: Account, kind: str) -> list[int]:
    return [row_id for _, row_id in account.tables[kind].index("id")]


def linked(account: Account, to: str) -> int:
    return next(one for lead in ids(account, "leads") for one in account.linked("leads", lead, to))


def trash_and_purge(account: Account) -> None:
    deal = ids(account, "leads")[0]
    writes.trash(account, "leads", deal)
    writes.purge(account, "leads", deal)


def born_with_links(account: Account) -> None:
    contact, company = ids(account, "contacts")[0], ids(account, "companies")[0]
    writes.create_lead(account, contacts=[contact], company=company)


WRITES: dict[str, Callable[[Account], object]] = {
    "a company was trashed": lambda account: writes.trash(account, "companies", linked(account, "companies")),
    "a contact was trashed": lambda account: writes.trash(account, "contacts", linked(account, "contacts")),
    "contacts were merged": lambda account: writes.merge(account, "contacts", *ids(account, "contacts")[:2]),
    "a deal was purged": trash_and_purge,
    "a deal was born": born_with_links,
    "a request was accepted": lambda account: writes.accept_unsorted(account, next(iter(account.unsorted))),
    "a user was removed": lambda account: writes.remove_user(account, next(iter(account.users))),
    "a task was deleted": lambda account: writes.delete_task(account, ids(account, "tasks")[0]),
    "a card was touched": lambda account: writes.touch(account, "leads", ids(account, "leads")[1]),
    "a robot changed all": lambda account: writes.mass_edit(account, "leads", ids(account, "leads")),
}


def test_no_write_is_an_alarm_whenever_it_is_made(database: str, tmp_path: Path) -> None:
    """Between the sync and the look, and between the look and the next sync."""
    day = Day(6, database, tmp_path).plain()
    for write in WRITES.values():
        write(day.account)
    found = day.verify()
    assert (differences(found), found.exit_code) == ({}, 0)
    for kind in ("contacts", "companies"):
        writes.restore(day.account, kind, next(iter(day.account.trash[kind])))

    names = ["a company was trashed", "a deal was born", "a task was deleted", "a robot changed all"]

    def write_and_sleep(seconds: float) -> None:
        day.clock.advance(seconds)
        while names:
            WRITES[names.pop(0)](day.account)
        day.clock.advance(seconds)

    with mock.patch.object(day, "sleep", write_and_sleep):
        found = day.verify()
    assert (differences(found), found.exit_code) == ({}, 0)


def test_what_differs_in_another_way_at_each_look_is_changing(database: str, tmp_path: Path) -> None:
    """A company follows another one; a link that the last sync brought is gone again; so is a card that came back."""
    day = Day(17, database, tmp_path).plain()
    vars(day.account.switches).update(links_bump=False)
    contact = next(row["contact_id"] for row in current(day, "contacts") if row["company"] is None)
    companies, deal = ids(day.account, "companies")[:3], ids(day.account, "leads")[0]
    of_deal = day.account.linked("leads", deal, "contacts")
    other, trashed = [one for one in ids(day.account, "contacts") if one not in (contact, *of_deal)][:2]
    sync, slept = day.sync, iter((True, False))

    def sync_and_link(*_: Any, **__: Any) -> Outcome:
        done = sync()
        day.clock.advance(10)
        writes.link(day.account, "contacts", contact, "companies", companies.pop(0))
        writes.trash(day.account, "contacts", trashed)
        (writes.unlink if len(companies) == 0 else writes.link)(day.account, "leads", deal, "contacts", other)
        return done

    def sleep(seconds: float) -> None:
        writes.restore(day.account, "contacts", trashed)
        writes.edit(day.account, "contacts", trashed, name=f"back at {day.clock.now()}")
        if next(slept):
            [linked_now] = day.account.linked("contacts", contact, "companies")
            writes.unlink(day.account, "contacts", contact, "companies", linked_now)
            writes.unlink(day.account, "leads", deal, "contacts", other)
        day.clock.advance(seconds + 10)

    with mock.patch.object(day, "sync", sync_and_link), mock.patch.object(day, "sleep", sleep):
        found = day.verify()
    assert (differences(found), found.exit_code, found.tables["contacts"].changing) == ({}, 0, 3)


@pytest.mark.parametrize("table", ["contact_tags", "tasks"])
def test_what_amocrm_tells_late_is_no_fault(table: str, database: str, tmp_path: Path) -> None:
    """A tag dates no card, and its event shows four minutes later: after the sync that follows the first look.

    So does the event of a task that changes before the first look and is deleted before the second one.
    """
    day = Day(19, database, tmp_path).plain()
    assert day.settings == {"lookback_window": "PT5M"}
    vars(day.account.switches).update(events_late=240, tags_bump=False)
    tagged, task = ids(day.account, "contacts")[0], ids(day.account, "tasks")[0]
    tag = partial(writes.tag, day.account, "contacts", tagged, "late")
    change = partial(writes.edit_task, day.account, task, text="another")
    written = iter([tag] if table == "contact_tags" else [change, partial(writes.delete_task, day.account, task)])

    def sync_and_write(*_: Any, **__: Any) -> Outcome:
        done = sync()
        next(written, lambda: None)()
        return done

    sync, synced = day.sync, len(day.syncs)
    with mock.patch.object(day, "sync", sync_and_write):
        found = day.verify()
    assert (differences(found), found.exit_code, len(day.syncs) - synced) == ({}, 0, 3)
    assert found.tables[table].changed_since == 1


A_DAY = [pytest.param(ahead, marks=pytest.mark.at_length) for ahead in (-86_400, 86_400)]


@pytest.mark.parametrize("ahead", [-3_600, 3_600, *A_DAY])
@pytest.mark.parametrize("whose", ["server", "machine"])
def test_no_clock_hides_or_makes_a_difference(ahead: int, whose: str, database: str, tmp_path: Path) -> None:
    day = Day(6, database, tmp_path).plain()
    day.account.switches.date_ahead, day.ahead = (ahead, 0.0) if whose == "server" else (0.0, ahead)
    day.schedule.work(5)
    assert (differences(found := day.verify()), found.exit_code) == ({}, 0)
    day.lose("deals", 3)
    day.lose("events", 2)  # old ones: what lies within its look-back, a sync mends
    assert differences(day.verify()) == {"deals": 3, "events": 2}


def test_a_table_that_lost_its_newest_rows_is_not_whole(database: str, tmp_path: Path) -> None:
    day = Day(6, database, tmp_path, leads=60).plain()
    lost = {"tasks": ("task_id", 12), "notes": ("note_id", 20), "events": ("created_at", 30)}
    for name, (column, count) in lost.items():
        day.lose(name, count, column)
    found = day.verify(no_sync=True)
    assert waiting(found) == {name: count for name, (_, count) in lost.items()}
    for name in ("tasks", "notes"):
        of_account = (found.tables[name].database or 0) + lost[name][1]
        assert found.tables[name].account == found.tables[name].looked_at == of_account


@pytest.mark.parametrize("requests", [1, 60])
def test_with_few_requests_the_newest_events_are_looked_at_and_some_others(
    requests: int, database: str, tmp_path: Path
) -> None:
    day = Day(6, database, tmp_path, leads=60).plain()
    day.lose("events", 30, "created_at")
    found = day.verify(no_sync=True, requests=requests)
    assert (waiting(found), found.tables["events"].whole) == ({"events": 30}, False)


def test_without_the_paid_filter_many_cards_are_read_by_their_list(database: str, tmp_path: Path) -> None:
    day = Day(6, database, tmp_path, leads=60).plain()
    day.account.switches.filter_enabled = False
    day.sync()
    damaged = {name: current(day, name) for name in ("deals", "contacts")}
    for row in (row for rows in damaged.values() for row in rows):
        row["name"] = "damaged"
    day.lose("companies", 1)
    asked = list[str]()
    day.schedule.sandbox.before_request.append(lambda _, request: asked.append(request.path))
    found = day.verify(no_sync=True)
    assert waiting(found) == {**{name: len(rows) for name, rows in damaged.items()}, "companies": 1}
    assert found.tables["custom_fields_deals"].whole
    assert found.tables["contact_companies"].whole
    alone = [path for path in asked if path.rpartition("/")[2].isdigit()]
    assert {path.rpartition("/")[0] for path in alone} <= {"/api/v4/customers"}  # of which there are three


def test_what_can_be_looked_at_without_events_is(database: str, tmp_path: Path) -> None:
    day = Day(6, database, tmp_path).plain()
    day.lose("deals", 3)
    day.account.switches.forbidden = frozenset({"events"})
    found = day.verify(no_sync=True)
    assert (waiting(found), found.exit_code) == ({"deals": 3}, 3)
    assert {"events", "deal_statuses"} <= {*found.failed}
    assert {"deals", "tasks", "notes", "contacts"}.isdisjoint(found.failed)
    assert not found.sentence().startswith("All")


def test_cards_that_the_token_may_not_read_are_named(database: str, tmp_path: Path) -> None:
    day = Day(6, database, tmp_path).plain()
    day.account.switches.forbidden = frozenset({"companies"})
    found = day.verify(no_sync=True)
    assert (waiting(found), found.exit_code) == ({}, 2)
    assert {"companies", "custom_fields_companies"} <= {*found.failed}
    assert {"deals", "contacts", "customers", "events"}.isdisjoint(found.failed)


def test_extra_rows_are_found_in_every_table(database: str, tmp_path: Path) -> None:
    day = Day(6, database, tmp_path).plain()
    number, added = 9_000_000, set()
    for name, stream in STREAMS.items():
        rows, column = current(day, name), stream.primary_key[-1]
        if rows and name not in ("account", "talks"):
            row = {**rows[0], column: number if models.kinds(name)[column] == "int" else "extra"}
            if name in ("deal_contacts", "custom_fields_deals"):
                row = {**rows[0], column: number}
            day.rows[name][tuple(row[one] for one in stream.primary_key)] = row
            added.add(name)
    day.store()
    found = day.verify(no_sync=True)
    assert waiting(found) == dict.fromkeys(added, 1)


def test_parts_of_a_card_dated_in_the_future_are_compared(database: str, tmp_path: Path) -> None:
    day = Day(6, database, tmp_path).plain()
    lead = next(one for one in ids(day.account, "leads") if day.account.row("leads", one)["custom_fields_values"])
    writes.edit(day.account, "leads", lead, updated_at=day.clock.now() + 86_400, name="from the future")
    assert day.verify().exit_code == 0
    rows = (row for row in day.rows["custom_fields_deals"].values() if row["lead_id"] == lead)
    row = max(rows, key=lambda one: str(one["read_at"]))
    row["value"] = "wrong"
    day.store()
    found = day.verify(no_sync=True)
    assert waiting(found) == {"custom_fields_deals": 1}


def test_a_link_to_a_deal_that_came_and_went_between_two_syncs_is_no_fault(database: str, tmp_path: Path) -> None:
    """amoCRM still shows it at the contact, which it does not date; of a deal in the trash it tells no links."""
    day = Day(6, database, tmp_path).plain()
    vars(day.account.switches).update(birth_links="silent")
    contact = ids(day.account, "contacts")[0]
    deal = writes.create_lead(day.account, contacts=[contact])
    writes.trash(day.account, "leads", deal)
    found = day.verify()
    assert found.exit_code == 0, found.sentence()
    assert found.tables["contacts"].uncounted["links to cards in the trash"] == 1
    row = next(one for one in current(day, "contacts") if one["contact_id"] != contact and one["leads"])
    row["leads"] = []
    day.store()
    found = day.verify()
    assert differences(found) == {"contacts": 1}


@pytest.mark.parametrize("kept_by_cards", [True, False])
def test_links_to_a_removed_tag_or_element_are_no_fault(database: str, tmp_path: Path, kept_by_cards: bool) -> None:
    """amoCRM writes no event for the removal, and gives the cards that lose the link no new date."""
    day = Day(6, database, tmp_path).plain()
    linked = {
        element["id"]: element["metadata"]["catalog_id"]
        for (kind, _), elements in day.account.links.elements.items()
        for element in elements
        if kind == "leads"
    }
    element, catalog = next(iter(linked.items()))
    tags = [tag["id"] for one in ids(day.account, "leads") for tag in day.account.tags_of("leads", one)]
    writes.remove_element(day.account, catalog, element, kept_by_cards=kept_by_cards)
    if not kept_by_cards:
        writes.remove_tag(day.account, "leads", tags[0])
    found = day.verify()
    assert alarms(found) == {}, found.sentence()
    limits = {name: set(one.limits) for name, one in found.tables.items() if one.limits}
    wanted = None if kept_by_cards else {"settings"}
    assert [limits.get(name) for name in ("deals", "deal_catalog_elements", "deal_tags")] == [wanted] * 3
    assert "fault of the connector" not in " ".join(found.advice())


def test_a_lost_link_is_a_fault_where_its_tag_is_listed(database: str, tmp_path: Path) -> None:
    day = Day(6, database, tmp_path).plain()
    day.sync()
    row = current(day, "deal_tags")[0]
    tags = {tag["id"] for tag in day.account.tags_of("leads", row["lead_id"])}
    other = next(tag["id"] for tag in day.account.tag_list["leads"] if tag["id"] not in tags)
    day.rows["deal_tags"][row["lead_id"], other] = {**row, "tag_id": other}
    day.store()
    found = day.verify()
    assert ({*alarms(found)}, differences(found)) == ({"deal_tags"}, {"deal_tags": 1})


def test_the_limits_of_a_sync_are_named(database: str, tmp_path: Path) -> None:
    day = Day(6, database, tmp_path).plain()
    vars(day.account.switches).update(tags_bump=False)
    deal = ids(day.account, "leads")[2]
    contact = next(one for one in day.account.tables["contacts"] if one["custom_fields_values"])
    writes.edit(day.account, "leads", deal, updated_at=day.clock.now() - 400 * 86_400, name="imported")
    older = ids(day.account, "leads")[4]  # it has a date before the table's; an event tells of the tag
    writes.edit(day.account, "leads", older, updated_at=day.account.row("leads", older)["updated_at"] - 1)
    writes.tag(day.account, "leads", older, "imported")
    writes.rename_field(day.account, "contacts", contact["custom_fields_values"][0]["field_id"], "Renamed")
    note = next(one for one in ids(day.account, "leads/notes"))
    day.account.tables["leads/notes"].remove(note)
    customer = next(one for one, segments in day.account.segments_of.items() if segments)
    day.account.segments_of[customer] = ()
    found = day.verify()
    limits = {name: dict(one.limits) for name, one in found.tables.items() if one.limits}
    assert limits["deals"] == {"old date": 5}  # the row of the one; date, updated_at, updated_by and tags of the other
    assert limits["deal_tags"] == {"old date": 1}
    assert limits["notes"] == {"silent deletion": 1}
    assert limits["custom_fields_contacts"].keys() == {"settings"}
    assert limits["customers"] == {"settings": 1}
    assert alarms(found) == {}
    assert found.exit_code == 1
    assert all("--refresh" in line for line in found.advice())
    assert "fault of the connector" not in " ".join(found.advice())


@pytest.mark.parametrize("seed", range(100, 100 + DAYS))
def test_writes_that_no_date_shows_are_no_fault(seed: int, database: str, tmp_path: Path) -> None:
    """Cards are merged, purged and edited with any date: what differs then is named as a limit of a sync."""
    day = Day(seed, database, tmp_path, ODD)
    day.sync()
    day.schedule.work(20)
    with day.people_at_work():
        found = day.verify()
    assert alarms(found) == {}, found.sentence()
