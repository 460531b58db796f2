"""What was written in chats, where it is wanted: every message with its text, one request for each talk with news."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import Status

from sandbox import Account, Fault, Faults, ManualClock, Sandbox, Switches, writes
from sandbox.http import dumps
from source_amocrm.errors import SyncFailed
from source_amocrm.streams import chats
from testing import comparison, expected
from testing.command import run
from testing.connector import messages
from testing.destination import Destination
from testing.expected.communication import messages_with_texts


def generated(**switches: Any) -> Account:
    """An account in whose talks several messages go to and fro."""
    account = Account.generate(seed=4, leads=300, clock=ManualClock(), switches=Switches(**switches))
    talks = [talk for talk in account.talks if talk["entity_id"] or talk["contact_id"]]
    for number in range(60):
        talk, user = talks[number % 7], next(iter(account.users)) if number % 3 else None
        writes.chat(account, talk, f"Сообщение {number}", by=user)
        account.clock.advance(5)  # type: ignore[attr-defined]
    account.clock.advance(600)  # type: ignore[attr-defined]
    return account


def asked(sandbox: Sandbox) -> Counter[str]:
    """The requests for messages, by path."""
    return Counter(seen.path for seen in sandbox.log if seen.path.endswith("/messages"))


def take(sandbox: Sandbox, destination: Destination) -> bool:
    return destination.take(messages(sandbox, ["messages"], destination.state() or None, chat_texts=True))


@pytest.mark.parametrize("order", ["asc", "desc", "unordered"])
def test_every_message_comes_once_with_what_was_written(order: Any) -> None:
    sandbox, destination = Sandbox(generated(events_order=order, page_max=4, events_page_max=10)), Destination()
    assert take(sandbox, destination)
    wanted = comparison.by_key("messages", messages_with_texts(sandbox.account))
    assert destination.rows["messages"] == wanted
    assert destination.delivered["messages"] == len(wanted)
    texts = [row["text"] for row in wanted.values() if row["channel"] == "chat"]
    assert len([text for text in texts if text]) > 60
    assert {row["author_type"] for row in wanted.values()} == {None, "external", "internal", "bot"}
    assert any(row["attachment_link"] for row in wanted.values())


def test_a_talk_is_asked_for_once_and_later_only_if_it_has_news() -> None:
    sandbox, destination = Sandbox(generated()), Destination()
    assert take(sandbox, destination)
    named = {row["talk_id"] for row in destination.rows["messages"].values() if row["talk_id"]}
    assert asked(sandbox) == {f"/api/v4/talks/{talk_id}/messages": 1 for talk_id in named}
    account = sandbox.account
    for talk in account.talks[:5]:
        writes.chat(account, talk, "Ещё одно")
    account.clock.advance(900)  # type: ignore[attr-defined]
    sandbox.log.clear()
    assert take(sandbox, destination)
    assert asked(sandbox) == {f"/api/v4/talks/{talk['talk_id']}/messages": 1 for talk in account.talks[:5]}
    assert len(sandbox.log) <= 13
    assert destination.rows["messages"] == comparison.by_key("messages", messages_with_texts(account))


def test_an_account_of_a_thousand_talks_whose_list_is_cut() -> None:
    account = generated(talks_shown=250)
    first = max(talk["talk_id"] for talk in account.talks) + 1
    account.talks += [account.talks[0] | {"talk_id": first + number} for number in range(1000)]
    for talk in account.talks[-1000:]:
        writes.chat(account, talk, f"Беседа {talk['talk_id']}")
        account.clock.advance(2)  # type: ignore[attr-defined]
    account.clock.advance(600)  # type: ignore[attr-defined]
    sandbox, destination = Sandbox(account), Destination()
    both = partial(messages, sandbox, ["messages", "talks"], chat_texts=True)
    assert destination.take(both(destination.state() or None))
    wanted = comparison.by_key("messages", messages_with_texts(account))
    assert destination.rows["messages"] == wanted
    assert destination.delivered["messages"] == len(wanted) > 1000
    assert len(destination.rows["talks"]) > 1000
    assert set(asked(sandbox).values()) == {1}
    for talk in account.talks[-5:]:
        writes.chat(account, talk, "Ещё одно")
    account.clock.advance(900)  # type: ignore[attr-defined]
    sandbox.log.clear()
    assert take(sandbox, destination)
    assert (asked(sandbox).total(), len(sandbox.log) <= 13) == (5, True)
    assert destination.rows["messages"] == comparison.by_key("messages", messages_with_texts(account))


def test_a_talk_that_is_gone_has_messages_without_texts() -> None:
    account = generated()
    account.talks.pop(0)
    sandbox, destination = Sandbox(account), Destination()
    assert take(sandbox, destination)
    assert destination.rows["messages"] == comparison.by_key("messages", messages_with_texts(account))
    assert len(asked(sandbox)) > 5


@pytest.mark.parametrize(
    ("texts", "scopes_told", "requests", "said"),
    [
        (
            "no scope",
            True,
            0,
            "the token lacks the scope “list_external_messages”. Where the texts of chats are wanted",
        ),
        ("no scope", False, 8, "may not read /api/v4/talks/"),
        ("not paid", True, 8, "has not paid for"),
        ("absent", True, 8, "amoCRM does not know /api/v4/talks/"),
    ],
)
def test_where_texts_are_not_served_one_sentence_says_so_and_all_else_goes_on(
    texts: Any, scopes_told: bool, requests: int, said: str, tmp_path: Path
) -> None:
    account = generated(chat_texts=texts, scopes_told=scopes_told)
    sandbox = Sandbox(account)
    told = run(sandbox, "read", tmp_path, ["messages"], chat_texts=True)
    assert (told.code, told.errors()) == (0, {})
    assert told.rows()["messages"] == comparison.by_key("messages", expected.table(account, "messages"))
    assert asked(sandbox).total() <= requests
    [line] = [
        line for line in told.said.splitlines() if line.startswith("WARNING messages: the texts of chats are left")
    ]
    assert said in line
    assert "tick «История внешних чатов»" in line


def test_check_says_what_they_cost_and_what_to_tick(tmp_path: Path) -> None:
    for texts, said in (
        ("served", "The texts of chats are read (chat_texts): a sync sends one request more for each talk with new"),
        ("no scope", "messages: the texts of chats are left empty, for the token lacks the scope"),
    ):
        account = generated(chat_texts=texts)
        for wanted in (True, False):
            done = run(Sandbox(account), "check", tmp_path, chat_texts=wanted)
            [checked] = (one.connectionStatus for one in done.messages if one.connectionStatus)
            assert checked.status == Status.SUCCEEDED
            assert (said in str(checked.message)) is wanted


def test_a_message_without_a_readable_id_leaves_the_others_their_texts() -> None:
    account = generated()
    sandbox, destination = Sandbox(account), Destination()
    wanted = comparison.by_key("messages", messages_with_texts(account))
    chats = [key for key, row in wanted.items() if row["channel"] == "chat" and row["text"]]
    account.chat_messages[wanted[chats[0]]["chat_message_id"]]["id"] = [{}]
    assert take(sandbox, destination)
    found = destination.rows["messages"]
    assert [key for key in chats if found[key]["text"] != wanted[key]["text"]] == [chats[0]]
    assert found[chats[0]]["text"] is None


def test_an_event_whose_kind_is_no_text_is_no_message_and_hinders_none() -> None:
    account = generated()
    sandbox, destination = Sandbox(account), Destination()
    wanted = comparison.by_key("messages", messages_with_texts(account))
    bent = next(own for own, event in account.events.rows.items() if event.type == "incoming_chat_message")
    account.raw = {("events", bent): dumps({**account.events.rows[bent]._asdict(), "type": ["?"]})}
    assert take(sandbox, destination)
    assert destination.rows["messages"] == {key: row for key, row in wanted.items() if key != (bent,)}


def failing(sandbox: Sandbox, *talks: int) -> None:
    sandbox.faults = Faults(*(Fault("500", path=f"^/api/v4/talks/{talk}/messages$") for talk in talks))


def test_a_talk_that_fails_each_time_is_skipped_by_name_and_tried_again_by_the_next_sync(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sandbox, destination = Sandbox(generated()), Destination()
    wanted = comparison.by_key("messages", messages_with_texts(sandbox.account))
    of_talks = Counter(row["talk_id"] for row in wanted.values() if row["text"] and row["channel"] == "chat")
    bad, other = (talk_id for talk_id, _ in of_talks.most_common(2))
    failing(sandbox, bad)
    assert take(sandbox, destination)
    without = {key: row["talk_id"] for key, row in wanted.items() if destination.rows["messages"][key] != row}
    assert (set(without.values()), len(without)) == ({bad}, of_talks[bad])
    assert all(destination.rows["messages"][key]["text"] is None for key in without)
    [warning] = [record.getMessage() for record in caplog.records if "are left empty" in record.getMessage()]
    assert warning.startswith(
        f"messages: the texts of the talk {bad} are left empty, and the next sync tries again. amoCRM "
    )
    writes.chat(sandbox.account, next(one for one in sandbox.account.talks if one["talk_id"] == other), "Ещё одно")
    sandbox.account.clock.advance(900)  # type: ignore[attr-defined]
    for faults in ((bad,), ()):
        failing(sandbox, *faults)
        sandbox.log.clear()
        assert take(sandbox, destination)
        assert asked(sandbox).keys() >= {f"/api/v4/talks/{bad}/messages"}
    assert asked(sandbox) == {f"/api/v4/talks/{bad}/messages": 1}
    assert destination.rows["messages"] == comparison.by_key("messages", messages_with_texts(sandbox.account))
    sandbox.log.clear()
    assert take(sandbox, destination)
    assert asked(sandbox) == {}


def test_if_many_talks_fail_the_stream_ends_with_the_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chats, "MOST_SKIPPED", 2)
    sandbox, destination = Sandbox(generated()), Destination()
    failing(sandbox, *(talk["talk_id"] for talk in sandbox.account.talks))
    with pytest.raises(SyncFailed, match=r"amoCRM failed at /api/v4/talks/\d+/messages"):
        take(sandbox, destination)
    assert len([record for record in caplog.records if "are left empty" in record.getMessage()]) == 2
    failing(sandbox)
    assert take(sandbox, destination)
    assert destination.rows["messages"] == comparison.by_key("messages", messages_with_texts(sandbox.account))
