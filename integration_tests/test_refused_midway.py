"""A server that refuses everything from some request on: a sentence a stream, valid states, the next sync exact."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import requests
from airbyte_cdk.models import AirbyteStreamStatus, FailureType, Type

from sandbox import NOW, Account, Fault, Faults, ManualClock, Request, Sandbox
from source_amocrm.streams import STREAMS
from testing import comparison
from testing.command import Outcome, run
from testing.connector import POLICY, messages
from testing.destination import Destination

TRANSIENT, CONFIG = FailureType.transient_error, FailureType.config_error
ANSWERS = {
    "500": (TRANSIENT, "trace_id 5f2c9b1e"),
    "503": (TRANSIENT, "amoCRM failed at"),
    "504": (TRANSIENT, "amoCRM did not manage to answer"),
    "hang": (TRANSIENT, "did not finish its answer to"),
    "reset_before": (TRANSIENT, "was lost at"),
    "429": (TRANSIENT, "kept answering «too many requests»"),
    "html_200": (TRANSIENT, "with a web page instead of data"),
    "object_200": (TRANSIENT, "with an empty or broken body"),
    "403_nginx": (CONFIG, "Write to amoCRM's support chat and give them the IP address"),
    "401": (CONFIG, "does not accept the token"),
    "401_user_off": (CONFIG, "is switched off"),
    "403_ip": (CONFIG, "lets in only listed IP addresses"),
    "402": (CONFIG, "has not paid for"),
}
CEILINGS = {
    "429": POLICY.throttled_ceiling + POLICY.longest_delay,
    # a request with all its repetitions, and then one more try for each list
    "hang": POLICY.ceiling + len(STREAMS) * POLICY.read_timeout,
}


@pytest.fixture(scope="module")
def account() -> Account:
    account = Account.generate(seed=5, leads=80, now=NOW - 3600)
    account.clock = ManualClock()
    return account


def check_failed(told: Outcome, kind: FailureType, sentence: str) -> None:
    """Exit code 1, and each stream that did not end has one trace that says why."""
    assert told.code == 1
    sentences = told.sentences()
    assert None not in sentences
    statuses = _statuses(told)
    assert {name for name, status in statuses.items() if status != AirbyteStreamStatus.COMPLETE} == sentences.keys()
    assert sentences
    assert all(sentence in text for text in sentences.values()), sentences
    assert {error.failure_type for error in told.errors().values()} == {kind}


def _statuses(told: Outcome) -> dict[str, AirbyteStreamStatus]:
    return {
        message.trace.stream_status.stream_descriptor.name: message.trace.stream_status.status
        for message in told.messages
        if message.type == Type.TRACE and message.trace and message.trace.stream_status
    }


def check_exact_after(told: Outcome, account: Account) -> None:
    """The states that were kept lead to the whole account."""
    destination = Destination()
    destination.take(told.messages)
    destination.take(messages(Sandbox(account), state=destination.state()))
    assert destination.complaints == []
    assert comparison.problems(account, destination.rows) == []


@pytest.mark.parametrize(("kind", "since"), [*product(ANSWERS, (2, 17)), ("503", 1), ("503", 9), ("503", 26)])
def test_refused_from_a_request_on(kind: str, since: int, account: Account, tmp_path: Path) -> None:
    sandbox = Sandbox(account, faults=Faults(Fault(kind, since=since)))
    told = run(sandbox, "read", tmp_path)
    check_failed(told, *ANSWERS[kind])
    assert told.waited <= CEILINGS.get(kind, POLICY.ceiling)
    check_exact_after(told, account)


@pytest.mark.parametrize("since", [1, 9, 20])
def test_nobody_listens_any_more(since: int, account: Account, tmp_path: Path) -> None:
    sandbox = Sandbox(account)

    def refuse(_: Sandbox, __: Request) -> None:
        if len(sandbox.log) >= since - 1:
            raise requests.ConnectionError(ConnectionRefusedError())

    sandbox.before_request.append(refuse)
    told = run(sandbox, "read", tmp_path)
    check_failed(told, TRANSIENT, "does not accept connections")
    assert told.waited <= POLICY.ceiling
    check_exact_after(told, account)


def test_a_check_of_an_account_that_cannot_be_reached_ends_soon(account: Account, tmp_path: Path) -> None:
    sandbox, tried = Sandbox(account), list[str]()

    def refuse(_: Sandbox, request: Request) -> None:
        tried.append(request.path)
        raise requests.ConnectionError(ConnectionRefusedError())

    sandbox.before_request.append(refuse)
    told = run(sandbox, "check", tmp_path)
    assert "does not accept connections" in told.said
    assert tried == ["/api/v4/account"] * 3


def test_what_support_asks_for_is_in_the_error(account: Account, tmp_path: Path) -> None:
    sandbox = Sandbox(account, faults=Faults(Fault("403_nginx")))
    told = run(sandbox, "read", tmp_path, ["deals"])
    assert f"the subdomain {account.subdomain} and the account ID {account.id}" in told.sentences()["deals"]


def test_a_list_that_has_too_many_requests_for_ever_is_waited_for_once(account: Account, tmp_path: Path) -> None:
    """Not again by the table that takes a column from it."""
    sandbox = Sandbox(account, faults=Faults(Fault("429", "/api/v4/leads$")))
    asked: list[str] = []
    sandbox.before_request.append(lambda _, request: asked.append(request.query))
    told = run(sandbox, "read", tmp_path, ["deals", "deal_statuses"])
    check_failed(told, *ANSWERS["429"])
    assert told.sentences().keys() == {"deals", "deal_statuses"}
    assert [query for query in asked if "filter%5Bid%5D" in query] == []
    check_exact_after(told, account)


def test_what_is_no_list_is_not_taken_for_an_empty_one(account: Account, tmp_path: Path) -> None:
    told = run(
        Sandbox(account, faults=Faults(Fault("status_200", "/api/v4/leads$"))), "read", tmp_path, ["deals", "tasks"]
    )
    check_failed(told, TRANSIENT, "amoCRM answered /api/v4/leads with something that is no list.")
    assert told.sentences().keys() == {"deals"}
    check_exact_after(told, account)
