"""A clock is wrong: amoCRM's, as its answers tell it, or this machine's. Nothing is passed over."""

from __future__ import annotations

import logging
import time
from itertools import product
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessage, AirbyteStateMessageSerializer

from sandbox import Account, ManualClock, Sandbox, writes
from source_amocrm.errors import ConfigError
from testing import comparison
from testing.combinations import one_in
from testing.connector import messages
from testing.destination import Destination
from testing.schedules import ODD, SCHEDULES, Schedule, assert_exact, tables


@pytest.mark.parametrize("seed", range(SCHEDULES // 10))
def test_ordinary_days(seed: int) -> None:
    assert_exact(Schedule(seed, leads=25, streams=tables(seed), clocks=True))


@pytest.mark.parametrize("seed", range(SCHEDULES // 10))
def test_odd_days(seed: int) -> None:
    """With purges, merges, and rows dated in the past and in the future."""
    assert_exact(Schedule(seed, leads=25, menu=ODD, streams=tables(seed), clocks=True))


HOUR = 3_600
STREAMS = ["deals", "custom_fields_deals", "contacts", "tasks", "notes", "events", "deal_statuses"]


@pytest.fixture
def account() -> Account:
    account = Account.generate(seed=3, leads=60, clock=ManualClock())
    account.clock.advance(HOUR)  # type: ignore[attr-defined]
    return account


def edit_everything(account: Account) -> None:
    for kind in ("leads", "contacts"):
        for row in list(account.tables[kind]):
            writes.edit(account, kind, row["id"], name=f"Имя {account.clock.now()}")
    account.clock.advance(HOUR)  # type: ignore[attr-defined]


def wrong(account: Account, destination: Destination) -> list[str]:
    return comparison.problems(account, destination.rows, streams=STREAMS)


def cursor(destination: Destination, name: str) -> str:
    state: dict[str, Any] = AirbyteStateMessageSerializer.dump(destination.states[name])["stream"]["stream_state"]
    return str(state["updated_at"])


def iso(second: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


@pytest.mark.parametrize(
    ("events_order", "whose", "hours"),
    one_in(3, product(("desc", "unordered"), ("server's", "ours"), (-26, -12, 12, 26))),
)
def test_a_clock_that_is_wrong_in_one_sync(
    account: Account, events_order: Any, whose: str, hours: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, nothing waits until the clocks agree, and the next syncs pass over nothing."""
    account.switches.events_order = events_order
    edit_everything(account)
    destination = Destination()
    started = account.clock.now()
    account.switches.date_ahead = hours * HOUR if whose == "server's" else 0
    with caplog.at_level(logging.WARNING, "airbyte"):
        destination.take(messages(Sandbox(account), STREAMS, ahead=hours * HOUR if whose == "ours" else 0))
    assert wrong(account, destination) == []
    right, other = iso(started), iso(started + hours * HOUR)
    server, machine = (other, right) if whose == "server's" else (right, other)
    said = [record.getMessage() for record in caplog.records if "clock shows" in record.getMessage()]
    assert [text.partition(". ")[0] for text in said] == [
        f"amoCRM's clock shows {server}, and this machine's {machine}"
    ]
    assert cursor(destination, "deals") <= min(right, other)

    account.switches.date_ahead = 0
    for _ in range(2):
        edit_everything(account)
        destination.take(messages(Sandbox(account), STREAMS, destination.state()))
        assert wrong(account, destination) == []


def plain(name: str, field: str, second: float) -> AirbyteStateMessage:
    descriptor, state = {"name": name}, {field: iso(second)}
    message = {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": state}}
    return AirbyteStateMessageSerializer.load(message)


@pytest.mark.parametrize("hours", [1, 12, 48, 24 * 365 * 30])
def test_a_state_that_lies_in_the_future_is_mended(
    account: Account, hours: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A clock was wrong when it was saved: what was changed before that day is not waited for."""
    destination = Destination()
    destination.take(messages(Sandbox(account), STREAMS))
    edit_everything(account)
    fields = {"events": "created_at", "deal_statuses": "created_at", "custom_fields_deals": "lead_updated_at"}
    ahead = account.clock.now() + hours * HOUR
    states = [plain(name, fields.get(name, "updated_at"), ahead) for name in STREAMS]
    with caplog.at_level(logging.WARNING, "airbyte"):
        destination.take(messages(Sandbox(account), STREAMS, states))
    assert wrong(account, destination) == []
    assert cursor(destination, "deals") <= iso(account.clock.now())
    mended = [record.getMessage() for record in caplog.records if "read anew" in record.getMessage()]
    assert [text.partition(":")[0] for text in mended] == STREAMS
    assert f"says that all was read up to {iso(ahead)}, and that has not come yet" in mended[0]


def test_a_state_that_is_changed_by_hand_is_refused(account: Account) -> None:
    """Of a sync that was killed: without what is pending it would be that of one that was not."""
    destination = Destination()
    destination.take(messages(Sandbox(account), ["deals"]))
    state = AirbyteStateMessageSerializer.dump(destination.states["deals"])
    state["stream"]["stream_state"].pop("newest")
    with pytest.raises(ConfigError, match=r"The saved state of the stream deals cannot be read.*Clear the stream's"):
        list(messages(Sandbox(account), ["deals"], [AirbyteStateMessageSerializer.load(state)]))
