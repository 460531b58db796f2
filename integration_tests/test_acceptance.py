"""What Airbyte's former acceptance tests checked and the CDK's do not, with the real command over HTTP."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStateMessageSerializer
from airbyte_cdk.test.standard_tests._read_assertions import StrictIntegerDraft7Validator

from sandbox import OFF, Account, Sandbox, Server
from source_amocrm.streams import STREAMS
from testing import forked
from testing.command import run
from testing.leaks import clean

INCREMENTAL = [table.name for table in STREAMS.values() if table.cursor_field]
# amoCRM has one field for a user's name, and it is not split; nobody has seen a score that is not null; the talks of
# today no longer tell when one was missed; what was written in chats is read with chat_texts only
ALWAYS_EMPTY = {
    "users": {"last_name"},
    "deals": {"score"},
    "talks": {"missed_at"},
    "messages": {
        *("author_id", "author_type", "author_name", "message_type", "delivery_status"),
        *("attachment_name", "attachment_link"),
    },
    "files": {"file_id", "deleted_at", "deleted_by", "deleted_by_type"},  # the drive lists no trash
}
Message = dict[str, Any]
Printed = dict[str | None, list[Message]]
"""The messages of each stream in their order; None: those of no stream."""


@dataclass
class Connector:
    """The command with a config, as the platform runs it: one process a command."""

    folder: Path
    config: dict[str, Any]
    account: Account

    def run(self, verb: str, **files: Any) -> list[Message]:
        arguments: list[str] = [verb]
        for name, content in {"config": self.config, **files}.items():
            path = self.folder / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            arguments += [f"--{name}", str(path)]
        before = {path: path.read_bytes() for path in self.folder.iterdir()}
        done = forked.run(arguments)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert {path: path.read_bytes() for path in self.folder.iterdir()} == before  # nothing of the user's is changed
        clean(done.stdout + done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def read(self, catalog: Message, states: list[Message] | None = None) -> Printed:
        printed: Printed = {}
        for message in self.run("read", catalog=catalog, **({} if states is None else {"state": states})):
            printed.setdefault(stream_of(message), []).append(message)
        return printed


def stream_of(message: Message) -> str | None:
    match message:
        case {"record": {"stream": name}}:
            return str(name)
        case {"state": {"stream": {"stream_descriptor": {"name": name}}}}:
            return str(name)
        case {"trace": {"stream_status": {"stream_descriptor": {"name": name}}}}:
            return str(name)
    return None


@pytest.fixture(scope="module")
def connector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connector]:
    with Server(Account.generate(leads=400), rate=OFF) as server:
        config = {**server.config(), "requests_per_second": 50}
        yield Connector(tmp_path_factory.mktemp("acceptance"), config, server.account)


@pytest.fixture(scope="module")
def streams(connector: Connector) -> dict[str, Message]:
    [catalog] = [message["catalog"] for message in connector.run("discover") if message["type"] == "CATALOG"]
    return {stream["name"]: stream for stream in catalog["streams"]}


@pytest.fixture(scope="module")
def full(connector: Connector, streams: dict[str, Message]) -> Printed:
    return read_whole(connector, streams)


@pytest.fixture(scope="module")
def first(connector: Connector, streams: dict[str, Message]) -> Printed:
    return connector.read(configured(streams, "incremental"))


def read_whole(connector: Connector, streams: dict[str, Message]) -> Printed:
    """Everything that the account may hold: an account has either segments of customers or statuses."""
    statuses = {"customer_statuses": streams["customer_statuses"]}
    others = {name: stream for name, stream in streams.items() if name not in statuses}
    found = connector.read(configured(others, "full_refresh"))
    connector.account.switches.customers = "periodicity"
    try:
        return found | connector.read(configured(statuses, "full_refresh"))
    finally:
        connector.account.switches.customers = "segments"


def configured(streams: dict[str, Message], mode: str) -> Message:
    return {
        "streams": [
            {
                "stream": stream,
                "sync_mode": mode if mode in stream["supported_sync_modes"] else "full_refresh",
                "destination_sync_mode": "append_dedup",
            }
            for stream in streams.values()
        ]
    }


def rows(printed: Printed, name: str) -> list[Message]:
    return [message["record"]["data"] for message in printed[name] if message["type"] == "RECORD"]


def states_of(printed: Printed, name: str) -> list[Message]:
    return [message["state"] for message in printed[name] if message["type"] == "STATE"]


def keys(found: list[Message], name: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in STREAMS[name].primary_key) for row in found]


def by_key(found: list[Message], name: str) -> dict[tuple[Any, ...], Message]:
    return dict(zip(keys(found, name), found, strict=True))


@pytest.mark.parametrize("name", STREAMS)
def test_records_satisfy_the_schema_exactly(name: str, streams: dict[str, Message], full: Printed) -> None:
    schema = streams[name]["json_schema"]
    # the protocol leaves out columns that are null
    validator = StrictIntegerDraft7Validator(
        {**schema, "additionalProperties": False, "required": STREAMS[name].primary_key}
    )
    errors = [f"{error.json_path}: {error.message}" for row in rows(full, name) for error in validator.iter_errors(row)]
    assert errors == []


@pytest.mark.parametrize("name", STREAMS)
def test_every_property_is_seen(name: str, streams: dict[str, Message], full: Printed) -> None:
    seen = {column for row in rows(full, name) for column, value in row.items() if value is not None}
    assert set(streams[name]["json_schema"]["properties"]) - seen == ALWAYS_EMPTY.get(name, set())


@pytest.mark.parametrize("name", STREAMS)
def test_keys_are_unique_and_never_null(name: str, full: Printed) -> None:
    found = keys(rows(full, name), name)
    assert found
    assert [key for key, count in Counter(found).items() if count > 1] == []
    assert [key for key in found if None in key] == []


@pytest.mark.parametrize("name", INCREMENTAL)
def test_the_cursor_is_there(name: str, streams: dict[str, Message], full: Printed) -> None:
    assert streams[name]["default_cursor_field"] == [STREAMS[name].cursor_field]
    assert streams[name]["source_defined_cursor"] is True
    assert all(isinstance(row[str(STREAMS[name].cursor_field)], str) for row in rows(full, name))


@pytest.mark.parametrize("name", STREAMS)
def test_statuses_come_in_order(name: str, full: Printed) -> None:
    statuses = [message["trace"]["stream_status"]["status"] for message in full[name] if message["type"] == "TRACE"]
    assert statuses == ["STARTED", "RUNNING", "COMPLETE"]


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("mode", ["full", "first"])
def test_states_count_the_records_they_follow(name: str, mode: str, request: pytest.FixtureRequest) -> None:
    printed: Printed = request.getfixturevalue(mode)
    counted = [state["sourceStats"]["recordCount"] for state in states_of(printed, name)]
    assert counted
    assert sum(counted) == len(rows(printed, name))
    kinds = [message["type"] for message in printed[name]]
    assert "RECORD" not in kinds[len(kinds) - kinds[::-1].index("STATE") :]


def undated(found: list[Message]) -> list[Message]:
    return [{column: row[column] for column in row.keys() - {"listed_at", "read_at"}} for row in found]


def test_two_full_refreshes_are_equal(connector: Connector, streams: dict[str, Message], full: Printed) -> None:
    """But for the moments of the readings."""
    again = read_whole(connector, streams)
    for name in STREAMS:
        once, twice = (undated(rows(read, name)) for read in (full, again))
        assert by_key(twice, name) == by_key(once, name)


def test_a_second_read_of_an_idle_account_brings_nothing_new(
    connector: Connector, streams: dict[str, Message], first: Printed
) -> None:
    second = connector.read(configured(streams, "incremental"), [states_of(first, name)[-1] for name in INCREMENTAL])
    assert {name: len(rows(second, name)) for name in INCREMENTAL} == dict.fromkeys(INCREMENTAL, 0)
    assert all(states_of(second, name) for name in INCREMENTAL)


@pytest.mark.parametrize("name", INCREMENTAL)
def test_a_read_from_each_state_brings_the_rest(
    name: str, connector: Connector, first: Printed, tmp_path: Path
) -> None:
    """What came before a state, and what a read from it brings, are together the whole."""
    whole = by_key(undated(rows(first, name)), name)
    before: list[Message] = []
    tried: list[Message] = []
    for message in first[name]:
        if message["type"] == "RECORD":
            before.append(message["record"]["data"])
        elif message["type"] == "STATE":
            state = message["state"]["stream"]["stream_state"]
            if state in tried:
                continue
            tried.append(state)
            saved = AirbyteStateMessageSerializer.load(message["state"])
            read = run(Sandbox(connector.account), "read", tmp_path, [name], [saved])
            assert read.code == 0
            rest = [record.data for one in read.messages if (record := one.record)]
            assert by_key(undated([*before, *rest]), name) == whole


def test_a_state_from_the_future_is_read_anew(
    connector: Connector, streams: dict[str, Message], first: Printed
) -> None:
    states = [states_of(first, name)[-1] for name in INCREMENTAL]
    for state in states:
        cursor = STREAMS[state["stream"]["stream_descriptor"]["name"]].cursor_field
        state["stream"]["stream_state"] = {cursor: "2056-01-01T00:00:00Z"}
    read = connector.read(configured(streams, "incremental"), states)
    warned = [message["log"]["message"] for message in read[None] if message["type"] == "LOG"]
    for name in INCREMENTAL:
        assert by_key(rows(read, name), name).keys() == by_key(rows(first, name), name).keys()
        cursor = STREAMS[name].cursor_field
        assert states_of(read, name)[-1]["stream"]["stream_state"][cursor] < "2056"
        [said] = [text for text in warned if text.startswith(f"{name}: its saved state says that all was read up to")]
        assert "2056-01-01T00:00:00Z, and that has not come yet" in said
