"""While amoCRM refuses, the log has one line, and the platform knows which streams wait and until when."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from airbyte_cdk.models import AirbyteStreamStatus, AirbyteStreamStatusReasonType, TraceType

from sandbox import Account, Fault, Faults, Sandbox
from testing.command import Outcome, run

LINE = "WARNING amoCRM answers «too many requests» (429): nothing is asked for "
ENDS = (AirbyteStreamStatus.COMPLETE, AirbyteStreamStatus.INCOMPLETE)


@pytest.fixture(scope="module")
def account() -> Account:
    return Account.generate(seed=2, leads=300)


def statuses(told: Outcome, name: str) -> list[tuple[AirbyteStreamStatus, int | None]]:
    """Of that stream, in their order, with the milliseconds until which it is limited."""
    found = []
    for message in told.messages:
        if message.trace and message.trace.type == TraceType.STREAM_STATUS and message.trace.stream_status:
            status = message.trace.stream_status
            if status.stream_descriptor.name != name:
                continue
            until = None
            for reason in status.reasons or []:
                assert reason.type == AirbyteStreamStatusReasonType.RATE_LIMITED
                assert reason.rate_limited is not None
                until = reason.rate_limited.quota_reset
            found.append((status.status, until))
    return found


def pauses(told: Outcome) -> list[str]:
    return [line for line in told.said.splitlines() if line.startswith(LINE)]


@pytest.mark.parametrize("form", ["429", "429_header", "429_body"])
def test_each_pause_is_told_once(account: Account, tmp_path: Path, form: str) -> None:
    before = time.time() * 1000
    told = run(Sandbox(account, faults=Faults(Fault(form, "/users$", nth=(1, 2, 3)))), "read", tmp_path, ["users"])
    assert told.code == 0
    seconds = ["1", "2", "4"] if form == "429" else ["1", "1", "1"]
    assert [line.removeprefix(LINE).partition(" s, ")[0] for line in pauses(told)] == seconds
    assert pauses(told)[0].endswith(
        " UTC, and then more slowly for a while. All integrations of the account share its limit."
    )
    seen = statuses(told, "users")
    started, running, complete = AirbyteStreamStatus.STARTED, AirbyteStreamStatus.RUNNING, AirbyteStreamStatus.COMPLETE
    assert [status for status, _ in seen] == [started, running, running, running, running, complete]
    resets = [until for _, until in seen if until]
    assert len(resets) == 3
    assert all(before + 1000 <= until <= time.time() * 1000 + 4000 for until in resets)


def test_a_storm_of_refusals_of_all_streams(account: Account, tmp_path: Path) -> None:
    faults = Faults(Fault("429_header", "/api/v4/", chance=0.3))
    told = run(Sandbox(account, faults=faults), "read", tmp_path)
    assert told.code == 0
    refused = sum(kind == "429_header" for _, kind, _ in faults.fired)
    lines = pauses(told)
    assert 0 < len(lines) <= refused
    streams = {message.record.stream for message in told.messages if message.record}
    limited = 0
    for name in streams:
        seen = statuses(told, name)
        resets = [until for _, until in seen if until]
        assert len(resets) <= len(lines)
        assert seen[0] == (AirbyteStreamStatus.STARTED, None)
        assert seen[-1] == (AirbyteStreamStatus.COMPLETE, None)
        assert not any(status in ENDS for status, _ in seen[:-1])
        limited += len(resets)
    assert limited > len(lines), "several streams wait at once"


def test_a_check_that_waits_says_so(account: Account, tmp_path: Path) -> None:
    told = run(Sandbox(account, faults=Faults(Fault("429_header", "/account$", nth=(1,)))), "check", tmp_path)
    assert told.code == 0
    assert len(pauses(told)) == 1
