"""A token that may not see everything: `check` says what and why, `discover` lists all, `read` brings the rest."""

from __future__ import annotations

import re
from pathlib import Path
from unittest.mock import patch

import pytest
from airbyte_cdk.models import FailureType, Status

from sandbox import NOW, Account, Fault, Faults, ManualClock, Request, Sandbox, Switches, writes
from source_amocrm.auth.bearer import LongLivedTokenAuthenticator
from source_amocrm.auth.claims import Claims
from source_amocrm.streams import STREAMS
from source_amocrm.streams.base import IncrementalStream
from testing import comparison, expected
from testing.command import Outcome, named, run, status
from testing.connector import messages
from testing.destination import Destination, Key

NO_RIGHTS = (
    r"may not read /api/v4/{}[a-z_/]*(?:, /api/v4/[a-z0-9_/]*)*(?: and \d+ more)? "
    r"\(Access denied, Forbidden\)\. Let an administrator of the account grant"
)
OF_CUSTOMERS = {
    "customers",
    "custom_fields_customers",
    "customer_contacts",
    "customer_tags",
    "customer_statuses",
    "customer_segments",
    "customer_transactions",
}
OF_EVERY_ENTITY = {"live_entities", "custom_fields", "custom_field_groups", "tags"}
OTHERS: dict[str, set[str]] = {
    # by the list that is closed: tables that are no entities
    "users": {"users"},
    "leads": {"statuses", "pipelines", "loss_reasons", "unsorted", *OF_EVERY_ENTITY},
    "contacts": OF_EVERY_ENTITY,
    "companies": OF_EVERY_ENTITY,
    "tasks": set(),
    "leads/notes": set(),
    "leads/pipelines": {"statuses", "pipelines"},
    "leads/custom_fields": {"custom_fields", "custom_field_groups", "custom_fields_deals"},
    "companies/custom_fields": {"custom_fields", "custom_field_groups", "custom_fields_companies"},
    "catalogs": {
        "custom_fields",
        "custom_field_groups",
        "catalogs",
        "catalog_elements",
        "custom_fields_catalog_elements",
    },
    "customers": {"customer_statuses", "customer_segments", "customer_transactions", *OF_EVERY_ENTITY},
    "webhooks": {"webhooks"},
    "events": {"event_types", "talks", *(table.name for table in STREAMS.values() if table.cursor_field)},
}
TAKEN_FROM_ANOTHER = {"companies": ("contacts", "company_name"), "leads": ("deal_statuses", "loss_reason_id")}
"""Columns that are empty when the list that they are taken from is closed; a warning says so."""


def suffering(closed: str) -> set[str]:
    """The streams that cannot be whole without a list."""
    path = f"/api/v4/{closed}"
    entities = [table for table in STREAMS.values() if issubclass(table, IncrementalStream)]
    return OTHERS[closed] | {
        table.name for table in entities for one in table.resources if f"{one.path}/".startswith(f"{path}/")
    }


def account_with(switches: Switches) -> Account:
    account = Account.generate(seed=5, leads=80, now=NOW - 3600, switches=switches)
    account.clock = ManualClock()
    return account


def check_streams(told: Outcome, account: Account, failed: set[str], emptied: tuple[str, str] | None = None) -> None:
    """The other streams are whole, and of the failed ones no row is wrong."""
    found, dead = told.rows(), expected.tombstones(account)
    for name, live in expected.tables(account).items():
        wanted = comparison.by_key(name, [*live, *dead.get(name, ())])
        if emptied and emptied[0] == name:
            wanted = {own: {**row, emptied[1]: None} for own, row in wanted.items()}
        if name in failed:
            assert [own for own, row in found[name].items() if wanted.get(own) != row] == []
        else:
            assert found[name] == wanted, name


def test_a_card_that_is_shown_only_later_comes_with_a_refresh() -> None:
    """As to a user whose rights have grown: with its old date, and without an event."""
    account, destination, refreshed = account_with(Switches()), Destination(), Destination()
    deal = min(account.tables["leads"], key=lambda row: row["updated_at"])["id"]
    account.switches.hidden_by_date = frozenset({deal})
    destination.take(messages(Sandbox(account), ["deals"]))
    account.switches.hidden_by_date = frozenset()
    destination.take(messages(Sandbox(account), ["deals"], destination.state()))
    refreshed.take(messages(Sandbox(account), ["deals"]))
    assert refreshed.rows["deals"].keys() - destination.rows["deals"].keys() == {(deal,)}


@pytest.mark.parametrize("closed", OTHERS)
def test_a_list_that_the_token_may_not_see(closed: str, tmp_path: Path) -> None:
    hurt = suffering(closed)
    account = account_with(Switches(forbidden=frozenset({closed})))

    state, notes = status(run(Sandbox(account), "check", tmp_path))
    assert state == Status.SUCCEEDED
    assert named(notes, "Not available", "Not complete") == hurt
    assert re.search(NO_RIGHTS.format(closed), notes)

    told = run(Sandbox(account), "read", tmp_path)
    assert told.code == 1
    sentences = told.sentences()
    assert sentences.keys() == hurt
    assert [text for text in sentences.values() if not re.search(NO_RIGHTS.format(closed), text)] == []
    assert {error.failure_type for error in told.errors().values()} == {FailureType.config_error}
    check_streams(told, account, hurt, TAKEN_FROM_ANOTHER.get(closed))
    if closed in TAKEN_FROM_ANOTHER:
        assert f"What is taken from {closed} is left empty in other tables" in told.said


@pytest.mark.parametrize(
    ("switches", "closed"),
    [
        (Switches(admin=False), ["users", "roles", "sources", "webhooks"]),
        (Switches(external=True), ["users", "roles", "sources"]),
    ],
    ids=["user", "external"],
)
def test_users_are_for_administrators(switches: Switches, closed: list[str], tmp_path: Path) -> None:
    """Neither a user without the right nor an external integration sees them."""
    account = account_with(Switches())
    account.switches = switches
    state, notes = status(run(Sandbox(account), "check", tmp_path))
    paths = ", ".join(f"/api/v4/{name}" for name in closed)
    assert state == Status.SUCCEEDED
    assert notes.startswith(f"Not available: {', '.join(closed)}. The token's user may not read {paths} (Access denied")
    told = run(Sandbox(account), "read", tmp_path)
    assert told.sentences().keys() == set(closed)
    check_streams(told, account, set(closed))


@pytest.mark.parametrize(
    ("switches", "empty"),
    [
        (Switches(customers="off"), OF_CUSTOMERS),
        (Switches(customers="off", customers_mode_told=False), OF_CUSTOMERS),
        (Switches(customers="periodicity"), {"customer_segments"}),
        (Switches(catalogs=False), {"customer_statuses"}),
        (Switches(drive_url="absent"), {"customer_statuses", "files"}),
        (Switches(talks=False), {"customer_statuses", "talks"}),
        (
            Switches(off=frozenset({"unsorted", "loss_reasons"}), off_answer="422"),
            {"customer_statuses", "unsorted", "loss_reasons"},
        ),
        (
            Switches(off=frozenset({"unsorted", "loss_reasons"}), off_answer="404"),
            {"customer_statuses", "unsorted", "loss_reasons"},
        ),
    ],
    ids=[
        "no customers",
        "not told",
        "customers by date",
        "no lists",
        "no drive",
        "no talks",
        "settings",
        "settings 404",
    ],
)
def test_what_is_off_is_empty(switches: Switches, empty: set[str], tmp_path: Path) -> None:
    account = account_with(switches)
    state, notes = status(run(Sandbox(account), "check", tmp_path))
    assert (state, named(notes, "Empty"), named(notes, "Not available", "Not complete")) == (
        Status.SUCCEEDED,
        empty,
        set(),
    )
    told = run(Sandbox(account), "read", tmp_path)
    assert (told.code, told.sentences()) == (0, {})
    check_streams(told, account, set())
    assert [name for name in empty if told.rows()[name]] == []


def test_what_is_off_is_empty_whatever_its_lists_answer(tmp_path: Path) -> None:
    """The account tells that it has no customers; nobody need grant access to them."""
    account = account_with(Switches(customers="off"))
    faults = Faults(Fault("403", "/customers"))
    state, notes = status(run(Sandbox(account, faults=faults), "check", tmp_path))
    assert state == Status.SUCCEEDED
    assert re.match(r"Empty: [a-z_, ]*\bcustomers\b", notes)
    assert notes.endswith(". Customers are disabled in the account.")
    assert named(notes, "Empty") == OF_CUSTOMERS
    told = run(Sandbox(account, faults=faults), "read", tmp_path)
    assert (told.code, told.sentences()) == (0, {})
    check_streams(told, account, set())


@pytest.mark.parametrize("kind", ["402", "402_code", "403", "403_code", "404", "422", "422_code"])
def test_customers_that_the_settings_show_are_not_empty_whatever_is_refused(kind: str, tmp_path: Path) -> None:
    account = account_with(Switches())
    told = run(Sandbox(account, faults=Faults(Fault(kind, "/customers"))), "read", tmp_path)
    hurt = {*OF_CUSTOMERS, *OF_EVERY_ENTITY, "notes", "calls", "messages"}
    hurt -= {"customer_statuses"} if kind.startswith("422") else set()  # which are off in an account with segments
    assert (told.code, set(told.sentences())) == (1, hurt)
    check_streams(told, account, hurt)


@pytest.mark.parametrize("closed", ["leads", "contacts", "companies", "tasks", "leads/notes"])
def test_a_list_of_every_account_that_is_said_to_be_off_is_missing(closed: str, tmp_path: Path) -> None:
    """Not empty: what was in it has not gone."""
    sandbox = Sandbox(account_with(Switches()), faults=Faults(Fault("422", f"/api/v4/{closed}$")))
    told = run(sandbox, "read", tmp_path)
    assert told.code == 1
    hurt = {
        table.name
        for table in STREAMS.values()
        if issubclass(table, IncrementalStream) and table.resources and table.resources[0].path.endswith(f"v4/{closed}")
    }
    hurt |= {TAKEN_FROM_ANOTHER[closed][0]} if closed in TAKEN_FROM_ANOTHER else set()
    hurt |= {"live_entities"} if closed in ("leads", "contacts", "companies") else set()
    sentences = told.sentences()
    assert sentences.keys() == hurt
    off = f"amoCRM says that the account has switched off /api/v4/{closed}"
    assert [said for said in sentences.values() if not said.startswith(off)] == []


def test_what_is_switched_on_later_comes_whole() -> None:
    """Notes of customers from the time before, too."""
    account = account_with(Switches())
    destination = Destination()
    account.switches.customers = "off"
    destination.take(messages(Sandbox(account)))
    without = sum(row["element_type"] == 12 for row in destination.rows["notes"].values())
    account.switches.customers = "segments"
    destination.take(messages(Sandbox(account), state=destination.state()))
    assert without == 0
    assert comparison.problems(account, destination.rows) == []


def test_events_that_are_not_paid_for(tmp_path: Path) -> None:
    """Rows come, sync after sync; that nobody can tell which were deleted is said, not passed over."""
    account = account_with(Switches(filter_enabled=False, page_max=20, page_default=20))
    sandbox = Sandbox(account, faults=Faults(Fault("402", "/events")))
    state, notes = status(run(sandbox, "check", tmp_path))
    assert state == Status.SUCCEEDED
    assert notes.startswith("Not available: events, deal_statuses, ")
    assert "amoCRM says that example.amocrm.ru has not paid for /api/v4/events" in notes
    assert (
        "This user may not read events, so deleted rows cannot be marked: the rows are read, and each sync ends with "
        'an error. The other remedy is the option deleted_rows: with "ignore" it ends well.'
    ) in notes
    told = run(sandbox, "read", tmp_path)
    assert told.sentences().keys() == OTHERS["events"]
    destination = Destination()
    destination.take(told.messages)
    assert missing(destination, account) == []

    writes.add_task(account, text="Новая")
    writes.create_lead(account)
    account.clock.advance(60)  # type: ignore[attr-defined]
    destination.take(run(sandbox, "read", tmp_path, state=destination.state()).messages)
    assert missing(destination, account) == []


def missing(destination: Destination, account: Account) -> list[tuple[str, Key]]:
    """Rows of entities that did not come, or came with other values."""
    wanted = {name: comparison.by_key(name, rows) for name, rows in expected.tables(account).items()}
    return [
        (name, own)
        for name, table in STREAMS.items()
        if issubclass(table, IncrementalStream) and table.kinds is None
        for own, row in wanted[name].items()
        if destination.rows[name].get(own) != row
    ]


BREAKING = {
    "/api/v4/leads/loss_reasons": {"loss_reasons"},
    "/api/v4/customers": {
        *("customers", "custom_fields_customers", "customer_contacts", "customer_tags", "live_entities"),
    },
    "/api/v4/customers/notes": {"notes", "calls", "messages"},
    "/api/v4/customers/transactions": {"customer_transactions"},
    "/api/v4/contacts/tags": {"tags"},
}


@pytest.mark.parametrize("path", BREAKING)
def test_a_list_that_closes_in_the_middle_is_not_taken_for_none(path: str, tmp_path: Path) -> None:
    account = account_with(Switches(page_max=2, page_default=2))
    for customer in account.tables["customers"].rows:
        writes.add_note(account, "customers", customer)
    account.clock.advance(60)  # type: ignore[attr-defined]
    told = run(Sandbox(account, faults=Faults(Fault("402", f"{path}$", since=2))), "read", tmp_path)
    assert told.code == 1
    sentences = told.sentences()
    assert sentences.keys() == BREAKING[path]
    for said in sentences.values():
        assert said.startswith(f"amoCRM says that example.amocrm.ru has not paid for {path} (Payment required")
    assert {error.failure_type for error in told.errors().values()} == {FailureType.config_error}
    check_streams(told, account, BREAKING[path])


@pytest.mark.parametrize("path", ["/api/v4/customers", "/api/v4/customers/transactions"])
def test_a_list_that_is_said_to_be_off_in_the_middle_is_not_taken_for_none(path: str, tmp_path: Path) -> None:
    account = account_with(Switches(page_max=2, page_default=2, customers_mode_told=False))
    # which asks for customers anew, and so meets a list that has not begun
    streams = [name for name in STREAMS if name != "live_entities"]
    told = run(Sandbox(account, faults=Faults(Fault("422", f"{path}$", since=2))), "read", tmp_path, streams)
    assert (told.code, set(told.sentences())) == (1, BREAKING[path] - {"live_entities"})
    for said in told.sentences().values():
        assert said.startswith("A list that amoCRM had begun to give broke off, and was not read to its end. amoCRM")
    check_streams(told, account, BREAKING[path] | {"live_entities"})


@pytest.mark.parametrize("gone", [True, False])
def test_a_catalog_that_answers_as_if_it_was_deleted(gone: bool, tmp_path: Path) -> None:
    """It is believed where the catalogs, listed anew, are without it."""
    account = account_with(Switches())
    sandbox = Sandbox(account, faults=Faults(Fault("404", rf"/catalogs/{account.catalogs[0]['id']}/")))
    lost = account.catalogs[0]

    def delete(_: Sandbox, request: Request) -> None:
        if gone and request.path.startswith(f"/api/v4/catalogs/{lost['id']}/") and lost in account.catalogs:
            account.catalogs.remove(lost)

    sandbox.before_request.append(delete)
    streams = ["catalog_elements", "custom_fields_catalog_elements"]
    told = run(sandbox, "read", tmp_path, streams)
    assert (told.code, set(told.sentences())) == ((0, set()) if gone else (1, set(streams)))
    found = told.rows()["catalog_elements"]
    wanted = comparison.by_key("catalog_elements", expected.table(account, "catalog_elements"))
    assert found == {own: row for own, row in wanted.items() if own[0] != lost["id"]}
    assert found


@pytest.mark.parametrize("granted", [None, frozenset({"crm"})], ids=["", "nor files"])
def test_every_list_closed_fails_the_check(granted: frozenset[str] | None, tmp_path: Path) -> None:
    account = account_with(Switches())
    sandbox = Sandbox(account, faults=Faults(Fault("403", r"/api/v4/(?!account)")))
    with patch.object(LongLivedTokenAuthenticator, "claims", Claims(scopes=granted)):
        state, notes = status(run(sandbox, "check", tmp_path))
    assert state == Status.FAILED
    assert "may not read /api/v4/leads" in notes


def test_discover_lists_every_stream(tmp_path: Path) -> None:
    account = account_with(Switches(forbidden=frozenset({"leads", "events", "users"})))
    told = run(Sandbox(account), "discover", tmp_path)
    [catalog] = [message.catalog for message in told.messages if message.catalog]
    assert [stream.name for stream in catalog.streams] == list(STREAMS)


def test_deleted_rows_ignored_is_the_second_remedy_without_events(tmp_path: Path) -> None:
    """Each sync then ends well; the links that changed meanwhile come once the events can be read again."""
    account = account_with(Switches())
    closed = Sandbox(account, faults=Faults(Fault("402", "/events")))
    remedy = 'The other remedy is the option deleted_rows: with "ignore" '
    streams = ["deals", "deal_contacts", "deal_tags", "contacts", "tasks"]
    assert f"{remedy}it ends well." in status(run(closed, "check", tmp_path))[1]
    told = run(closed, "read", tmp_path, ["deals", "deal_contacts", "tasks"])
    assert f"{remedy}deleted rows stay as they were, and the tables are read to their end." in told.sentences()["deals"]
    assert sorted(error.message[:12] for error in told.errors().values()) == ["The rows are", *["The same fai"] * 2]
    notes = status(run(closed, "check", tmp_path, deleted_rows="ignore"))[1]
    assert "This user may not read events, so links and tags that change without their card" in notes
    assert "marked" not in notes

    destination = Destination()
    leads = sorted(row["lead_id"] for row in expected.tables(account)["deals"])[:3]
    for times in range(3):
        told = run(closed, "read", tmp_path, streams, destination.state(), deleted_rows="ignore")
        assert (told.code, told.sentences()) == (0, {})
        warned = told.said.count("Links and tags that changed without their card come with its next change: ")
        assert warned == bool(times)
        destination.take(told.messages)
        writes.create_lead(account)
        writes.tag(account, "leads", leads[times], "Новая метка")
        account.clock.advance(600)  # type: ignore[attr-defined]
    opened = run(Sandbox(account), "read", tmp_path, streams, destination.state(), deleted_rows="ignore")
    destination.take(opened.messages)
    wanted = {name: comparison.by_key(name, expected.tables(account)[name]) for name in streams}
    assert [name for name, rows in wanted.items() if not rows.items() <= destination.rows[name].items()] == []
    tagged = {row["lead_id"] for row in destination.rows["deal_tags"].values() if row["name"] == "Новая метка"}
    assert tagged == {*leads}
