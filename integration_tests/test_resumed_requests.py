"""What is asked for when many streams are made of one list, or one of many lists, also if the sync is killed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import closing

import pytest
from airbyte_cdk.models import AirbyteMessage, Type

from sandbox import Account, ManualClock, Request, Response, Sandbox
from source_amocrm.streams import STREAMS
from source_amocrm.streams.base import IncrementalStream
from testing.connector import messages
from testing.destination import Destination

LEADS = 1_600
KILLS = 4
PAGES_AT_STAKE = 24
"""At a kill: a state follows ten pages of events, and some are asked for ahead."""
PATIENCE = 600.0
"""Seconds until a request counts as one that does not come."""
OF_LEADS = "/api/v4/leads/notes"
WITH_CURSOR = [name for name, stream in STREAMS.items() if stream.cursor_field]


@pytest.fixture(scope="module")
def account() -> Account:
    return Account.generate(seed=2, leads=LEADS, clock=ManualClock())


def read(
    sandbox: Sandbox,
    streams: Collection[str],
    destination: Destination,
    kill: Callable[[], bool] = lambda: False,
    num_workers: int = 3,
) -> None:
    with closing(messages(sandbox, streams, destination.state(), num_workers=num_workers)) as reading:
        destination.take(_until(reading, kill))


def _until(reading: Iterator[AirbyteMessage], kill: Callable[[], bool]) -> Iterator[AirbyteMessage]:
    for message in reading:
        yield message
        if kill():
            return


def test_a_stream_with_few_rows_does_not_make_the_others_begin_anew(account: Account) -> None:
    """By one worker: what several have asked for ahead when the kill comes is for the machine's scheduler to say."""
    streams = ["events", "deleted_entities", "deal_sale_changes", "messages"]
    sandbox, whole = Sandbox(account), Destination()
    read(sandbox, streams, whole, num_workers=1)
    unbroken = len(sandbox.log)
    sandbox, resumed = Sandbox(account), Destination()
    for kill in range(1, KILLS + 1):
        read(sandbox, streams, resumed, lambda end=40 * kill: len(sandbox.log) >= end, 1)  # type: ignore[misc]
    read(sandbox, streams, resumed, num_workers=1)
    assert resumed.rows == whole.rows
    assert 100 < len(sandbox.log) <= unbroken + KILLS * PAGES_AT_STAKE, unbroken


def test_a_state_follows_each_thousand_records_whoever_makes_rows_of_them(account: Account) -> None:
    states = Counter[str]()
    with closing(messages(Sandbox(account), WITH_CURSOR)) as reading:
        for message in reading:
            if message.type == Type.STATE and message.state and message.state.stream:
                states[message.state.stream.stream_descriptor.name] += 1
    for name in WITH_CURSOR:
        stream = STREAMS[name]
        assert issubclass(stream, IncrementalStream)
        records = [len(account.tables[resource.path.removeprefix("/api/v4/")]) for resource in stream.resources]
        records += [len(account.events)] if stream.kinds is not None else []
        # some pages come before others that are awaited, so that a state covers more of them
        assert states[name] >= sum(count // 2_000 for count in records) + 1, name


class Expectant(Sandbox):
    """Answers about the notes of leads, but for the first time, once those of `others` have been asked for."""

    def __init__(self, account: Account, others: Collection[str]) -> None:
        super().__init__(account)
        self._begun = {path: threading.Event() for path in others}
        self._first = threading.Lock()

    def handle(self, request: Request) -> Response:
        if request.path == OF_LEADS and not self._first.acquire(blocking=False):
            assert all(begun.wait(PATIENCE) for begun in self._begun.values())
        response = super().handle(request)
        if request.path in self._begun:
            self._begun[request.path].set()
        return response


def test_the_lists_of_a_stream_are_begun_before_it_comes_to_them(account: Account) -> None:
    """Requests would else pause from list to list, and wherever another stream waits for one of them."""
    others = ["/api/v4/contacts/notes", "/api/v4/companies/notes"]
    sandbox = Expectant(account, others)
    read(sandbox, ["notes"], Destination())
    asked = [seen.path for seen in sandbox.log]
    of_leads = [index for index, path in enumerate(asked) if path == OF_LEADS]
    assert len(of_leads) > 4
    assert max(map(asked.index, others)) < of_leads[1]
