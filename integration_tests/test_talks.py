"""Talks: all that the list shows or a chat message names, whatever the list leaves out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import Status, Type

from sandbox import Account, Fault, Sandbox, Switches
from testing import comparison, expected
from testing.command import run
from testing.connector import messages
from testing.destination import Destination

SHOWN = 5
FILTERS = ["honoured", "listed", "ignored"]


def generated(**switches: Any) -> Account:
    return Account.generate(seed=4, leads=300, switches=Switches(talks_shown=SHOWN, **switches))


def read(sandbox: Sandbox) -> list[dict[str, Any]]:
    found = messages(sandbox, ["talks"])
    return [dict(one.record.data) for one in found if one.type == Type.RECORD and one.record]


def asked(sandbox: Sandbox) -> Counter[str]:
    paths = Counter(seen.path.removeprefix("/api/v4/") for seen in sandbox.log)
    return Counter("talks/{id}" if path.startswith("talks/") else path for path in paths.elements())


def unlisted(account: Account) -> int:
    return len(expected.table(account, "talks")) - SHOWN


@pytest.mark.parametrize("honoured", FILTERS)
def test_a_talk_that_the_list_lacks_comes_if_a_message_names_it(
    honoured: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "airbyte")
    account = generated(talks_filter=honoured)
    wanted = expected.table(account, "talks")
    assert len(account.talks) > len(wanted) > SHOWN
    found = read(Sandbox(account))
    assert len(found) == len(wanted)
    assert comparison.by_key("talks", found) == comparison.by_key("talks", wanted)
    count = unlisted(account)
    assert f"name {count} talks that amoCRM's list of talks lacks. Asked for by id, {count} of them came" in caplog.text


@pytest.mark.parametrize("honoured", FILTERS)
def test_many_are_asked_for_in_one_request_unless_the_filter_does_not_reach_them(honoured: Any) -> None:
    sandbox = Sandbox(generated(talks_filter=honoured))
    read(sandbox)
    count = unlisted(sandbox.account)
    of_lists = {path: times for path, times in asked(sandbox).items() if path != "talks"}
    assert of_lists == {"account": 1, "events": 1} | ({} if honoured == "honoured" else {"talks/{id}": count})


@pytest.mark.parametrize("honoured", FILTERS)
def test_a_talk_that_is_gone_is_left_out_and_the_table_is_complete(
    honoured: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own address answers 404, as an account without talks does."""
    caplog.set_level("INFO", "airbyte")
    account = generated(talks_filter=honoured)
    before = expected.table(account, "talks")
    account.talks.remove(next(talk for talk in account.talks if talk["talk_id"] == before[0]["talk_id"]))
    found, sandbox = Destination(), Sandbox(account)
    assert found.take(messages(sandbox, ["talks"]))
    assert comparison.by_key("talks", before[1:]) == found.rows["talks"]
    assert asked(sandbox)["talks/{id}"] >= 1
    count = unlisted(account) + 1
    assert f"name {count} talks that amoCRM's list of talks lacks. Asked for by id, {count - 1} of" in caplog.text
    assert "there are none in this account" not in caplog.text


def test_every_sync_brings_them_all_again() -> None:
    sandbox, destination = Sandbox(generated()), Destination()
    streams = ["talks", "messages"]
    assert destination.take(messages(sandbox, streams))
    assert len(read(sandbox)) == len(expected.table(sandbox.account, "talks"))
    again = [one for one in messages(sandbox, streams, destination.state()) if one.record]
    assert sum(one.record.stream == "talks" for one in again if one.record) == unlisted(sandbox.account) + SHOWN


def test_an_account_whose_list_is_whole_asks_for_no_talk_by_id() -> None:
    sandbox = Sandbox(Account.generate(seed=4, leads=300))
    assert len(read(sandbox)) == len(sandbox.account.talks)
    assert asked(sandbox) == {"account": 1, "events": 1, "talks": 1}


def test_without_the_events_the_table_has_the_list_and_is_not_complete(tmp_path: Path) -> None:
    account = generated(forbidden=frozenset({"events"}))
    done = run(Sandbox(account), "read", tmp_path, ["talks"])
    assert len(done.rows()["talks"]) == SHOWN
    assert (done.sentences()["talks"] or "").startswith(
        "The talks that amoCRM lists are read, but it may list the newest ones only, and the events that name the "
        "others are refused. The token's user may not read /api/v4/events"
    )
    [checked] = (
        one.connectionStatus for one in run(Sandbox(account), "check", tmp_path).messages if one.connectionStatus
    )
    assert checked.status == Status.SUCCEEDED
    told = [line for line in str(checked.message).split("\n") if line.startswith("Not complete: ")]
    assert any("talks" in line.partition(". ")[0] for line in told)


def test_a_refusal_of_one_talk_is_a_failure() -> None:
    sandbox = Sandbox(generated(talks_filter="ignored"))
    sandbox.faults.add(Fault("403", r"talks/\d+$", nth=(2,)))
    with pytest.raises(Exception, match=r"The token's user may not read /api/v4/talks/.* Not read to the end: talks\."):
        read(sandbox)
