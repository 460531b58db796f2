"""Random working days: whatever is written between two requests, whenever a sync is killed, the tables are exact.

Accounts without the paid filter have theirs in test_exact_without_filter.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from airbyte_cdk.models import AirbyteMessage, AirbyteStateMessage

from sandbox import OFF, Account, Sandbox, Server, writes
from source_amocrm.streams import STREAMS
from testing import comparison, expected
from testing.combinations import one_in
from testing.connector import messages, process_messages, read_command
from testing.destination import Destination
from testing.schedules import ODD, SCHEDULES, Schedule, assert_exact, tables


@pytest.mark.parametrize("seed", one_in(3, range(SCHEDULES)))
def test_ordinary_days(seed: int) -> None:
    assert_exact(Schedule(seed, leads=25, streams=tables(seed)))


@pytest.mark.parametrize("seed", one_in(3, range(SCHEDULES)))
def test_odd_days(seed: int) -> None:
    """With purges, merges, and rows dated in the past and in the future."""
    assert_exact(Schedule(seed, leads=25, menu=ODD, streams=tables(seed)))


@pytest.mark.parametrize("seed", one_in(2, range(2)))
def test_killed_for_real(seed: int, tmp_path: Path) -> None:
    """The command gets SIGKILL in the middle of its work; what it printed before is all that counts."""
    # a process judges its token by the machine's clock
    day = Schedule(seed, leads=25, filters=seed % 2 == 0, restless=0.1, begins=int(time.time()))
    with Server(day.account, rate=OFF) as server:
        day.watch(server.sandbox)

        def reading(states: list[AirbyteStateMessage]) -> Iterator[AirbyteMessage]:
            return process_messages(read_command(server, tmp_path, states, **day.settings))

        day.reading = reading
        for share in (0.2, 0.7):
            before = day.destination.messages or 3_000
            day.sync(killed_after=max(30, int(before * share)))
            with day.account.lock:
                day.work(3)
        day.busy = False
        day.clock.advance(60)
        day.sync()
    assert day.kills >= 1
    assert day.problems() == []


def test_a_state_follows_within_ten_thousand_rows() -> None:
    account = Account.generate(seed=3, leads=4_000)
    destination = Destination()
    destination.take(messages(Sandbox(account), ["deals", "custom_fields_deals", "events", "deal_statuses"]))
    assert destination.complaints == []
    assert min(destination.delivered[name] for name in ("custom_fields_deals", "events")) > 15_000

    account.switches.filter_enabled = False
    unfiltered = Destination()
    unfiltered.take(messages(Sandbox(account), ["deals", "custom_fields_deals"]))
    assert unfiltered.complaints == []
    for name in ("deals", "custom_fields_deals"):
        read = [
            {key: {**row, "read_at": None} for key, row in one.rows[name].items()} for one in (unfiltered, destination)
        ]
        assert read[0] == read[1], name


@pytest.mark.parametrize("name", [table.name for table in STREAMS.values() if table.cursor_field])
def test_a_stream_alone_is_as_exact_as_with_the_others(name: str) -> None:
    """In a connection of its own, over two restless days."""
    day = Schedule(seed=11, leads=25)
    destination = Destination()
    for busy in (True, True, False):
        day.busy = busy
        destination.take(messages(day.sandbox, [name], destination.state()))
        day.clock.advance(30)
    assert destination.complaints == []
    wanted = comparison.by_key(name, expected.table(day.account, name))
    got = destination.rows[name]
    assert [line for own, row in wanted.items() for line in comparison.difference(name, own, row, got.get(own))] == []


def test_days_are_what_their_seed_says() -> None:
    """So that a seed that fails can be looked into: the account and its answers to the open questions are the same."""
    one, other = Schedule(7), Schedule(7)
    assert (one.switches, one.settings) == (other.switches, other.settings)
    assert writes.random_edits(one.account, 5, Random(1)) == writes.random_edits(other.account, 5, Random(1))
