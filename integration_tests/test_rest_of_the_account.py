"""Customers, catalogs, settings: what is asked for, what an account may not have, and customers as they change."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from airbyte_cdk.models import Status, Type

from sandbox import Account, Fault, Faults, ManualClock, Request, Sandbox, Switches, writes
from sandbox.query import parse, values
from sandbox.writes.at_random import Write
from sandbox.writes.chance import line, some
from source_amocrm.errors import AmocrmError
from source_amocrm.source import SourceAmocrm
from source_amocrm.streams import STREAMS
from source_amocrm.streams.base import FullRefreshStream
from testing import comparison, expected
from testing.connector import catalog, config, messages, without_sockets
from testing.destination import Destination, Row
from testing.offline import airbyte_stream
from testing.schedules import Schedule, assert_exact

CUSTOMERS = [name for name in STREAMS if name.startswith(("customer", "custom_fields_customers"))]
CATALOGS = ["catalogs", "catalog_elements", "custom_fields_catalog_elements"]
FIELDS = ["custom_fields_deals"]
ADMINS = ["users", "roles", "sources", "webhooks"]


def asked(account: Account, streams: Sequence[str]) -> Counter[str]:
    sandbox = Sandbox(account)
    assert Destination().take(messages(sandbox, streams))
    return Counter(seen.path.removeprefix("/api/v4/") for seen in sandbox.log)


@pytest.fixture(scope="module")
def account() -> Account:
    return Account.generate(seed=2, leads=120)


def test_a_list_is_asked_for_once_whatever_is_made_of_it(account: Account) -> None:
    assert asked(account, ["statuses", "pipelines"]) == {"account": 1, "leads/pipelines": 1}
    ids = [catalog["id"] for catalog in account.catalogs]
    parts = ("elements", "custom_fields", "custom_fields/groups")
    of_catalogs = {f"catalogs/{own}/{part}": 1 for own in ids for part in parts}
    found = asked(account, [*CATALOGS, "custom_fields", "custom_field_groups"])
    assert {path: times for path, times in found.items() if path.startswith("catalogs/")} == of_catalogs
    assert found["catalogs"] == 1


@pytest.mark.parametrize("streams", [["statuses", "pipelines"], ["pipelines", "statuses"], ["statuses"]])
def test_hints_of_statuses_come_with_the_list_of_pipelines(account: Account, streams: list[str]) -> None:
    destination = Destination()
    assert destination.take(messages(Sandbox(account), streams))
    hints = {row["status_id"]: row["status_hints"] for row in destination.rows["statuses"].values()}
    told = {status["id"]: status["descriptions"] for each in account.pipelines for status in each["statuses"]}
    assert hints == told
    assert len([one for one in hints.values() if one]) > 2


def test_files_join_to_the_cards_whose_notes_attach_them(account: Account) -> None:
    destination = Destination()
    assert destination.take(messages(Sandbox(account), ["files", "notes"]))
    files = {row["file_uuid"] for row in destination.rows["files"].values()}
    joined = {row["file_uuid"]: row["element_id"] for row in destination.rows["notes"].values()}
    attached = {
        note["params"]["file_uuid"]: note["entity_id"]
        for name in ("leads/notes", "contacts/notes", "companies/notes", "customers/notes")
        for note in account.tables[name]
        if "file_uuid" in (note["params"] or {})
    }
    assert {uuid: card for uuid, card in joined.items() if uuid} == attached
    assert len(files & attached.keys()) >= 2


def test_deals_and_their_fields_are_of_one_reading(account: Account) -> None:
    both, deals, fields = (asked(account, some) for some in (["deals", "custom_fields_deals"], ["deals"], FIELDS))
    assert both["leads"] == deals["leads"] > fields["leads"] == 1


def test_a_user_who_was_removed_leaves_the_list() -> None:
    """Nobody in it is marked as removed, and what the user was responsible for keeps the id."""
    account, destination = Account.generate(seed=2, leads=20), Destination()
    destination.take(messages(Sandbox(account), ["users"]))
    leaving = writes.add_user(account, "Новый сотрудник")
    deal = next(iter(account.tables["leads"].rows))
    writes.edit(account, "leads", deal, responsible_user_id=leaving)
    destination.take(messages(Sandbox(account), ["users"]))
    assert (leaving,) in destination.rows["users"]
    writes.remove_user(account, leaving)
    destination.take(messages(Sandbox(account), ["users", "deals"]))
    assert destination.rows["users"].keys() == {(own,) for own in account.users}
    assert {row["is_cancelled"] for row in destination.rows["users"].values()} == {False}
    assert destination.rows["deals"][(deal,)]["responsible_user_id"] == leaving


def test_nothing_is_asked_for_that_is_not_selected(account: Account) -> None:
    assert asked(account, ["account"]) == {"account": 1}
    assert asked(account, ["event_types", "widgets"]) == {"account": 1, "events/types": 1, "widgets": 1}
    lists = {"leads/tags", "contacts/tags", "companies/tags", "customers/tags"}
    assert asked(account, ["tags"]) == {"account": 1} | dict.fromkeys(lists, 1)


def asked_with(account: Account, name: str, columns: Sequence[str]) -> set[str]:
    """The `with` parameters of the lists of a table of which those columns are selected."""
    sandbox = Sandbox(account)
    selected = catalog([name])
    [chosen] = selected.streams
    properties = chosen.stream.json_schema["properties"]
    chosen.stream.json_schema = {"properties": {column: properties[column] for column in columns}}
    with without_sockets(sandbox):
        for _ in SourceAmocrm().read(logging.getLogger("airbyte"), config(sandbox), selected):
            pass
    lists = [seen for seen in sandbox.log if seen.path not in ("/api/v4/account", "/api/v4/events")]
    found = {frozenset(values(parse(seen.query).get("with"))) for seen in lists} - {frozenset({"only_deleted"})}
    [extras] = found
    return set(extras)


@pytest.mark.parametrize(
    ("name", "columns", "wanted"),
    [
        ("users", ["user_id", "name", "rights"], set()),
        ("users", ["user_id", "group_id", "role_id"], {"group", "role"}),
        ("users", ["user_id", "phone_number"], {"phone_number"}),
        ("users", ["user_id", "uuid", "amojo_id", "user_rank"], {"uuid", "amojo_id", "user_rank"}),
        ("roles", ["role_id", "rights"], set()),
        ("roles", ["role_id", "users"], {"users"}),
        ("notes", ["note_id", "element_type", "updated_at", "text"], set()),
        ("notes", ["note_id", "element_type", "updated_at", "is_pinned"], {"is_pinned"}),
        ("deals", ["lead_id", "updated_at", "sale", "is_price_computed"], set()),
        ("deals", ["lead_id", "updated_at", "source_id"], {"source_id", "source"}),
        ("deals", ["lead_id", "updated_at", "source_external_id", "source_type"], {"source"}),
    ],
)
def test_a_list_is_asked_for_what_the_selected_columns_need(
    account: Account, name: str, columns: list[str], wanted: set[str]
) -> None:
    assert asked_with(account, name, columns) == wanted


def test_all_columns_of_users_and_notes(account: Account) -> None:
    everything = {name: list(airbyte_stream(name).json_schema["properties"]) for name in ("users", "notes")}
    known = {"group", "role", "phone_number", "uuid", "amojo_id", "user_rank"}
    assert asked_with(account, "users", everything["users"]) == known
    assert asked_with(account, "notes", everything["notes"]) == {"is_pinned"}


def test_values_of_custom_fields_cost_the_dictionary_of_fields_only(account: Account) -> None:
    for name, kind in (("contacts", "contacts"), ("companies", "companies"), ("customers", "customers")):
        alone, both = asked(account, [name]), asked(account, [name, f"custom_fields_{name}"])
        assert both - alone == {f"{kind}/custom_fields": 1}
        assert alone - both == {}


def read(account: Account, streams: Sequence[str] | None = None) -> tuple[dict[str, list[Row]], str]:
    """What came, and what the failures of streams said."""
    found: dict[str, list[Row]] = {name: [] for name in streams or STREAMS}
    try:
        for message in messages(Sandbox(account), streams):
            if message.type == Type.RECORD and message.record:
                found[message.record.stream].append(dict(message.record.data))
    except Exception as error:
        return found, str(error)
    return found, ""


@pytest.mark.parametrize(
    ("switches", "empty"),
    [
        (Switches(customers="off"), CUSTOMERS),
        (Switches(customers="periodicity"), ["customer_segments"]),
        (Switches(customers="segments"), ["customer_statuses"]),
        (Switches(catalogs=False), CATALOGS),
        (Switches(talks=False), ["talks"]),
        (Switches(bots=False), ["bots"]),
        (Switches(off=frozenset({"loss_reasons", "unsorted"})), ["loss_reasons", "unsorted"]),
    ],
    ids=["no customers", "expected purchases", "segments", "no catalogs", "no talks", "no bots", "no reasons"],
)
def test_what_an_account_does_not_have_is_empty_and_the_log_says_why(
    switches: Switches, empty: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "airbyte")
    account = Account.generate(seed=4, leads=60, switches=switches)
    found, failures = read(account)
    assert failures == ""
    wanted = expected.tables(account)
    assert [name for name in empty if found[name]] == []
    for name in empty:
        told = any(f" {name}{of}: there are none" in caplog.text for of in ("", " of customers"))
        # an account may have no catalogs, and no event of a customer
        assert told or name in (*CATALOGS, "customer_responsible_changes", "customer_field_changes"), name
    for name in set(STREAMS) - {"deals", "contacts", "companies", "tasks", "notes"}:
        assert comparison.by_key(name, found[name]) == comparison.by_key(name, wanted[name]), name


def test_lists_that_are_longer_than_a_page_are_whole() -> None:
    """Whatever they call the id of a row."""
    account = Account.generate(seed=4, leads=300, switches=Switches(page_max=3, page_default=3))
    whole = [name for name, table in STREAMS.items() if issubclass(table, FullRefreshStream)]
    found, failures = read(account, whole)
    assert failures == ""
    for name in whole:
        wanted = comparison.by_key(name, expected.table(account, name))
        assert (len(found[name]), comparison.by_key(name, found[name])) == (len(wanted), wanted), name
    assert min(len(found[name]) for name in ("unsorted", "talks", "tags", "widgets", "catalog_elements")) >= 3


def test_a_list_that_may_not_be_read_fails_alone() -> None:
    account = Account.generate(seed=4, leads=60, switches=Switches(admin=False))
    found, said = read(account)
    assert {name for name in STREAMS if not found[name]} == {*ADMINS, "customer_statuses"}
    assert all(name in said for name in ADMINS)


def test_one_kind_of_cards_that_may_not_be_read_does_not_keep_the_tags_of_others_back() -> None:
    account = Account.generate(seed=4, leads=60, switches=Switches(forbidden=frozenset({"contacts"})))
    found, said = read(account, ["tags", "custom_field_groups"])
    for name in ("tags", "custom_field_groups"):
        wanted = [row for row in expected.table(account, name) if row["entity_type"] != "contacts"]
        assert comparison.by_key(name, found[name]) == comparison.by_key(name, wanted)
        assert name in said


@pytest.mark.parametrize("deleted", [True, False])
def test_a_catalog_whose_elements_are_not_found_is_missing_unless_it_was_deleted_meanwhile(deleted: bool) -> None:
    account = Account.generate(seed=4, leads=60)
    own = account.catalogs[1]["id"]
    sandbox = Sandbox(account, faults=Faults(Fault("404", f"catalogs/{own}/elements")))

    def delete(_: Sandbox, request: Request) -> None:
        if deleted and request.path.endswith("/elements"):
            account.catalogs[:] = [catalog for catalog in account.catalogs if catalog["id"] != own]

    sandbox.before_request.append(delete)
    found, said = set(), ""
    try:
        for message in messages(sandbox, ["catalog_elements", "custom_fields_catalog_elements"]):
            if message.record and message.record.stream == "catalog_elements":
                found.add(message.record.data["catalog_id"])
    except AmocrmError as error:
        said = str(error)
    assert ("Not read to the end: catalog_elements, custom_fields_catalog_elements." in said) is not deleted
    assert (f"though it lists the catalog {own}, so the rows of that catalog are missing" in said) is not deleted
    assert found == {catalog["id"] for catalog in account.catalogs} - {own}


def test_reasons_that_the_settings_show_are_not_none_because_their_list_is_not_found() -> None:
    found, said = read(Account.generate(seed=4, leads=60, switches=Switches(loss_reasons_list=False)))
    assert found["loss_reasons"] == []
    assert said.startswith("amoCRM does not know /api/v4/leads/loss_reasons at ")
    assert " Not read to the end: loss_reasons.\n" in said


def test_check_says_what_is_not_there_with_one_request_for_each_list_that_is_read() -> None:
    account = Account.generate(seed=4, leads=20, switches=Switches(admin=False, customers="off"))
    sandbox = Sandbox(account)
    with without_sockets(sandbox):
        status = SourceAmocrm().check(logging.getLogger("airbyte"), config(sandbox))
    assert status.status == Status.SUCCEEDED
    assert [note.partition(". ")[0] for note in str(status.message).split("\n")] == [
        "Not available: users, roles, sources, webhooks",
        "Empty: custom_fields_customers, customer_contacts, customer_tags, customers, customer_statuses, "
        "customer_segments, customer_transactions",
    ]
    checked = Counter(seen.path for seen in sandbox.log)
    sandbox.log.clear()
    with contextlib.suppress(AmocrmError):
        list(messages(sandbox))
    assert checked == Counter({seen.path for seen in sandbox.log})
    assert sum(checked.values()) < 50


def edit_customer(account: Account, rng: Random) -> str | None:
    own = some(account, rng, "customers")
    if own is None:
        return None
    contact = some(account, rng, "contacts")
    what = rng.randrange(7)
    if what == 0:
        writes.trash(account, "customers", own)
    elif what == 1:
        own = writes.create_customer(account)
    elif what == 2 and contact is not None:
        writes.link(account, "customers", own, "contacts", contact)
    elif what == 3 and (linked := account.linked("customers", own, "contacts")):
        writes.unlink(account, "customers", own, "contacts", rng.choice(linked))
    elif what == 4:
        writes.tag(account, "customers", own, rng.choice(account.tag_list["customers"])["name"])
    elif what == 5 and account.row("customers", own)["custom_fields_values"]:
        field = rng.choice(account.row("customers", own)["custom_fields_values"])
        writes.clear_field(account, "customers", own, field["field_id"])
    else:
        writes.edit(account, "customers", own, name=f"Имя {rng.randrange(10**6)}")
    return line("customer", what, own)


MENU: tuple[tuple[Write, int], ...] = (*writes.ORDINARY, (edit_customer, 60))


@pytest.mark.parametrize("honoured", [True, False], ids=["ordered", "in no order"])
@pytest.mark.parametrize("filters", [True, False], ids=["filters", "no filters"])
def test_days_on_which_people_work_with_customers(filters: bool, honoured: bool) -> None:
    day = Schedule(int(filters), leads=60, filters=filters, menu=MENU)
    day.switches.customers_order_honoured = honoured
    assert_exact(day)
    assert any(told.startswith("customer") for told in day.done)


def test_a_later_sync_of_customers_brings_what_changed() -> None:
    clock = ManualClock()
    account = Account.generate(seed=2, leads=200, clock=clock)
    sandbox, destination = Sandbox(account), Destination()
    streams = ["customers", "custom_fields_customers"]
    destination.take(messages(sandbox, streams))
    clock.advance(600)
    first, second = list(account.tables["customers"].rows)[:2]
    writes.edit(account, "customers", first, name="Новое имя")
    writes.trash(account, "customers", second)
    clock.advance(600)
    before = destination.delivered["customers"]
    destination.take(messages(sandbox, streams, destination.state()))
    assert destination.delivered["customers"] - before <= 3
    assert destination.rows["customers"][first,]["name"] == "Новое имя"
    gone = destination.rows["customers"][second,]
    assert (gone["is_deleted"], gone["name"]) == (True, None)
    [tombstone] = expected.tombstones(account)["customers"]
    assert gone == tombstone


def test_a_customer_that_had_come_back_before_the_first_sync_is_there() -> None:
    """No event tells of a customer's return, only that it is in the list."""
    clock = ManualClock()
    account = Account.generate(seed=2, leads=50, clock=clock)
    back = next(iter(account.tables["customers"].rows))
    writes.trash(account, "customers", back)
    writes.restore(account, "customers", back)
    clock.advance(600)
    destination = Destination()
    destination.take(messages(Sandbox(account), ["customers"]))
    wanted = comparison.by_key("customers", expected.table(account, "customers"))
    assert destination.rows["customers"] == wanted


def test_links_and_tags_of_customers_that_nothing_but_events_shows() -> None:
    clock = ManualClock()
    switches = Switches(links_bump=False, tags_bump=False)
    account = Account.generate(seed=2, leads=200, clock=clock, switches=switches)
    sandbox, destination = Sandbox(account), Destination()
    destination.take(messages(sandbox, ["customers"]))
    clock.advance(600)
    linked, tagged = list(account.tables["customers"].rows)[:2]
    writes.link(account, "customers", linked, "contacts", max(account.tables["contacts"].rows))
    writes.tag(account, "customers", tagged, account.tag_list["customers"][-1]["name"])
    clock.advance(600)
    destination.take(messages(sandbox, ["customers"], destination.state()))
    wanted = comparison.by_key("customers", expected.table(account, "customers"))
    assert destination.rows["customers"] == wanted
