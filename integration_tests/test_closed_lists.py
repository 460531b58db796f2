"""Any list refused from any request on: each table is whole or says that it is not, and `check` names it before."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from airbyte_cdk.models import AirbyteStreamStatus, Status, Type
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import NOW, Account, Fault, Faults, ManualClock, Sandbox, Switches
from source_amocrm.errors import SyncFailed
from source_amocrm.streams import STREAMS
from testing import comparison, expected
from testing.combinations import one_in
from testing.command import Outcome, named, run, status
from testing.connector import messages
from testing.destination import Destination, Key, Row

CARDS = ("leads", "contacts", "companies", "customers")
CATALOGS = (4517, 4521, 4525)
PATHS = (
    *(card + part for card in CARDS for part in ("", "/notes", "/tags", "/custom_fields", "/custom_fields/groups")),
    *(f"catalogs/{own}/{part}" for own in CATALOGS for part in ("elements", "custom_fields", "custom_fields/groups")),
    *(f"customers/{part}" for part in ("statuses", "segments", "transactions", "segments/custom_fields")),
    *("leads/pipelines", "leads/loss_reasons", "leads/unsorted", "tasks", "events", "events/types", "catalogs"),
    *("users", "roles", "sources", "webhooks", "widgets", "talks", "bots"),
)
SAYS = {
    "402": r"amoCRM says that .* has not paid for .*{}",
    "402_code": r"amoCRM says that .* has not paid for .*{}",
    "403": r"may not read .*{}.*",
    "403_code": r"may not read .*{}.*",
    "404": r"amoCRM does not know .*{}.*",
    "422": r"amoCRM says that the account has switched off .*{}",
}
MEANS_OFF = {("404", "talks"), ("404", "bots"), ("422", "customers/statuses")}
"""What amoCRM is known to answer for a part that this account does not have."""
TAKEN_FROM = {"contacts": ("companies", "company_name"), "deal_statuses": ("leads", "loss_reason_id")}
"""Columns that are null where the token's user may not see the list that they are taken from."""
OF_FILES = "/v1.0/files"


def account_with(**switches: object) -> Account:
    account = Account.generate(seed=5, leads=40, now=NOW - 3600, switches=replace(Switches(), **switches))  # type: ignore[arg-type]
    account.clock = ManualClock()
    return account


def full(path: str) -> str:
    return path if path.startswith("/") else f"/api/v4/{path}"


def refused(kind: str, path: str, since: int = 1) -> Fault:
    return Fault(kind, f"^{full(path)}$", since=since)


def incomplete(told: Outcome) -> set[str]:
    """The streams whose status says so."""
    statuses = {
        one.stream_descriptor.name: one.status
        for message in told.messages
        if message.type == Type.TRACE and message.trace and (one := message.trace.stream_status)
    }
    return {name for name, last in statuses.items() if last != AirbyteStreamStatus.COMPLETE}


def whole(account: Account) -> dict[str, dict[Key, Row]]:
    dead = expected.tombstones(account)
    live = expected.tables(account)
    return {name: comparison.by_key(name, [*rows, *dead.get(name, ())]) for name, rows in live.items()}


def test_these_are_the_lists_that_are_read() -> None:
    sandbox = Sandbox(account_with())
    list(messages(sandbox))
    assert {seen.path for seen in sandbox.log} - {"/api/v4/account"} == {*map(full, PATHS), OF_FILES}


KINDS = ("402", "403", "404", "422")


@pytest.mark.parametrize(
    ("kind", "path"),
    one_in(
        5,
        (
            *((KINDS[place % len(KINDS)], path) for place, path in enumerate((*PATHS, OF_FILES))),
            *sorted(MEANS_OFF),
        ),
    ),
)
def test_check_names_what_read_will_leave_incomplete_or_empty(kind: str, path: str, tmp_path: Path) -> None:
    account = account_with()
    faults = Faults(refused(kind, path))
    state, notes = status(run(Sandbox(account, faults=faults), "check", tmp_path))
    assert state == Status.SUCCEEDED
    told = run(Sandbox(account, faults=Faults(refused(kind, path))), "read", tmp_path)
    off = {"customer_statuses", path} if kind == "404" and path in ("talks", "bots") else {"customer_statuses"}
    off -= incomplete(told)
    assert named(notes, "Not available", "Not complete") == incomplete(told) == set(told.sentences())
    assert (named(notes, "Empty"), {name for name in off if told.rows()[name]}) == (off, set())
    assert told.code == (1 if incomplete(told) else 0)
    assert incomplete(told) or (kind, path) in MEANS_OFF


refusals = st.lists(
    st.tuples(st.sampled_from(sorted(SAYS)), st.sampled_from(PATHS), st.sampled_from([1, 1, 2, 3, 5])),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one[1],
)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(refusals, st.sampled_from([6, 250]), st.sampled_from(["segments", "periodicity", "off"]))
def test_each_table_equals_the_account_or_says_that_it_does_not(
    given_refusals: list[tuple[str, str, int]], page: int, customers: str
) -> None:
    """And the states that were kept lead to the whole account once nothing is refused any more."""
    account = account_with(page_max=page, page_default=page, customers=customers)
    sandbox = Sandbox(account, faults=Faults(*(refused(*one) for one in given_refusals)))
    with tempfile.TemporaryDirectory() as folder:
        told = run(sandbox, "read", Path(folder))
    hurt, found, wanted = incomplete(told), told.rows(), whole(account)
    fired = {(kind, path.removeprefix("/api/v4/")) for _, kind, path in sandbox.faults.fired}
    assert told.code == (1 if hurt else 0)
    assert set(told.sentences()) == hurt
    for name in STREAMS:
        if ("404", name) in MEANS_OFF & fired and name not in hurt:
            assert found[name] == {}
        elif name not in hurt:
            _assert_whole(name, found[name], wanted[name], fired)
    for said in told.sentences().values():
        reasons = [SAYS[kind].format(re.escape(full(path))) for kind, path in fired]
        assert any(re.search(f"{reason}|and \\d+ more", str(said)) for reason in reasons), said
    destination = Destination()
    destination.take(told.messages)
    destination.take(messages(Sandbox(account), state=destination.state()))
    assert comparison.problems(account, destination.rows) == []


def _assert_whole(name: str, found: dict[Key, Row], wanted: dict[Key, Row], fired: set[tuple[str, str]]) -> None:
    if name in TAKEN_FROM and {("403", TAKEN_FROM[name][0]), ("403_code", TAKEN_FROM[name][0])} & fired:
        column = TAKEN_FROM[name][1]
        found, wanted = ({own: {**row, column: None} for own, row in rows.items()} for rows in (found, wanted))
    assert found == wanted, name


def test_a_subscription_that_lapses_empties_no_table(tmp_path: Path) -> None:
    """In the middle of a sync: what amoCRM refuses from then on is reported, and nothing is replaced by less."""
    account = account_with()
    for since in (2, 30, 45):
        sandbox = Sandbox(account, faults=Faults(Fault("402", since=since)))
        told = run(sandbox, "read", tmp_path)
        hurt, found, wanted = incomplete(told), told.rows(), whole(account)
        assert (told.code, set(told.sentences())) == (1, hurt)
        assert {name for name in STREAMS if found[name] != wanted[name]} <= hurt
        assert [said for said in told.sentences().values() if " has not paid for " not in str(said)] == []


def test_columns_of_fields_that_are_not_paid_for_do_not_vanish_from_the_schema(tmp_path: Path) -> None:
    sandbox = Sandbox(account_with(), faults=Faults(refused("402", "leads/custom_fields")))
    told = run(sandbox, "discover", tmp_path, readable_columns=True)
    assert told.code == 1
    assert [message.catalog for message in told.messages if message.catalog] == []
    assert "example.amocrm.ru has not paid for /api/v4/leads/custom_fields" in told.sentences()[None]


def test_an_unpaid_account_is_one_sentence_with_the_number_of_its_tables(tmp_path: Path) -> None:
    account = account_with()
    account.switches.unpaid = True
    told = run(Sandbox(account), "read", tmp_path)
    end = told.said.rpartition("What has been read is kept.")[0].rpartition("\nERROR ")[2]
    assert end.count("has not paid for") == 1
    assert end.endswith(f" Not read to the end: {len(incomplete(told))} tables.\n")


def test_the_same_failure_of_many_tables_is_said_once(tmp_path: Path) -> None:
    """With the names of the tables, in the log and at the end, though each request has an id of its own."""
    account = account_with()
    told = run(Sandbox(account, faults=Faults(Fault("402", "/(events|tags)$"))), "read", tmp_path)
    log = [line for line in told.said.splitlines() if not line.startswith("{")]
    sentence = "amoCRM says that example.amocrm.ru has not paid for /api/v4/events"
    apart = "The rows are read, but not which of them were deleted"
    end = told.said.rpartition("What has been read is kept.")[0].rpartition("\nERROR ")[2]
    lists = re.findall(r"amoCRM says that example\.amocrm\.ru has not paid for (.+?) \(", end)
    # of the tables that are made of events or tags, of those that events complete, and of the talks that they name
    assert (len(lists), end.count(apart)) == (3, 1)
    assert sorted(map(len, (some.split(", ") for some in lists))) == [1, 1, 4]
    assert next(some for some in lists if ", " in some).endswith(" and 1 more")
    ended = re.findall(r" Not read to the end: ([a-z0-9_, ]+)\.$", end, re.MULTILINE)
    named = {name for some in ended if " tables" not in some for name in some.split(", ")}
    counted = sum(int(some.split()[0]) for some in ended if " tables" in some)
    assert named < incomplete(told)
    assert len(named) + counted == len(incomplete(told))
    streams = [line for line in log if re.match(r"ERROR \w+ was not read to its end: ", line)]
    assert len(streams) == len(incomplete(told))
    assert sum(sentence in line for line in streams) == 3
    assert "did not sync successfully" not in told.said


def test_a_refusal_that_is_cut_short_is_requested_again() -> None:
    """An account without statuses of customers refuses their list (422): it has none, and nothing has failed."""
    account = account_with(customers="segments")
    faults = Faults(Fault("truncated", "/customers/statuses$", times=1))
    sandbox, destination = Sandbox(account, faults=faults), Destination()
    destination.take(messages(sandbox, ["customer_statuses", "customer_segments"]))
    assert [seen.status for seen in sandbox.log if seen.path.endswith("/customers/statuses")] == [422, 422]
    assert destination.rows["customer_statuses"] == {}
    assert destination.rows["customer_segments"] == whole(account)["customer_segments"]


def test_one_refusal_that_is_cut_short_stops_nobody() -> None:
    """A 403 whose body cannot be read is no block of the account."""
    account = account_with(admin=False)
    faults = Faults(Fault("truncated", "/users$", times=1))
    sandbox, destination = Sandbox(account, faults=faults), Destination()
    with pytest.raises(SyncFailed, match=r"may not read /api/v4/users .*Not read to the end: users\."):
        destination.take(messages(sandbox, ["deals", "users"]))
    assert [seen.status for seen in sandbox.log if seen.path.endswith("/users")] == [403, 403]
    assert destination.rows["deals"] == whole(account)["deals"]
