"""Lines reach stdout whole, in their order, and none stays behind."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteRecordMessage,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStreamState,
    StreamDescriptor,
    Type,
)

from source_amocrm.airbyte.output import JOINED, WRITTEN_TOGETHER, Lines, Output, lines
from source_amocrm.entrypoint import Entrypoint
from source_amocrm.source import SourceAmocrm


class Pipe(io.BytesIO):
    """Remembers what each flush brought."""

    def __init__(self) -> None:
        super().__init__()
        self.brought: list[bytes] = []

    def flush(self) -> None:
        if new := self.getvalue()[sum(map(len, self.brought)) :]:
            self.brought.append(new)


@pytest.fixture(autouse=True)
def emitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("source_amocrm.airbyte.output.time.time_ns", lambda: 1_790_000_000_123_456_789)


def row(**data: Any) -> Lines:
    [made] = lines("deals", [data])
    return made


def line(data: str) -> bytes:
    return f'{{"type":"RECORD","record":{{"stream":"deals","data":{data},"emitted_at":1790000000123}}}}\n'.encode()


def test_a_row_is_what_the_platform_reads() -> None:
    pipe = Pipe()
    out = Output(pipe)
    out.rows(row(lead_id=1, name="Сделка «А»\n", sale=None))
    assert pipe.getvalue() == line('{"lead_id":1,"name":"Сделка «А»\\n","sale":null}')
    assert AirbyteMessageSerializer.load(orjson.loads(pipe.getvalue())).record == AirbyteRecordMessage(
        stream="deals", data={"lead_id": 1, "name": "Сделка «А»\n", "sale": None}, emitted_at=1_790_000_000_123
    )


def test_the_rows_of_a_message_are_written_at_once() -> None:
    pipe = Pipe()
    out = Output(pipe)
    [two] = lines("deals", [{"id": 1}, {"id": 2}])
    out.rows(two)
    assert pipe.brought == [line('{"id":1}') + line('{"id":2}')]
    out.rows(row(id=3))
    assert pipe.brought[1:] == [line('{"id":3}')]


def test_many_bytes_are_several_messages() -> None:
    row = {"text": "ю" * (WRITTEN_TOGETHER // 4)}
    made = list(lines("deals", [row] * 5))
    assert [len(one.texts) for one in made] == [2, 2, 1]
    assert b"".join(text for one in made for text in one.texts) == line(orjson.dumps(row).decode()) * 5


def test_a_large_row_is_written_without_a_copy_and_let_go_of() -> None:
    class Counting(Pipe):
        written: Any = None

        def write(self, data: Any) -> int:
            self.written = data
            return super().write(data)

    size = JOINED
    pipe, message = Counting(), row(a="x" * size)
    [text] = message.texts
    out = Output(pipe)
    out.rows(message)
    assert pipe.getvalue() == line('{"a":"%s"}' % ("x" * size))
    assert pipe.written is text
    assert message.texts == []


def test_what_is_no_row_goes_at_once_and_after_the_rows_before_it() -> None:
    pipe = Pipe()
    out = Output(pipe)
    out.rows(row(id=1))
    out.line('{"type":"STATE"}')
    assert pipe.brought == [line('{"id":1}'), b'{"type":"STATE"}\n']


def test_nobody_reads() -> None:
    class Gone(io.BytesIO):
        def write(self, _: Any) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        Output(Gone()).line("{}")


def test_a_number_that_is_too_long_for_orjson() -> None:
    pipe = Pipe()
    out = Output(pipe)
    for number in (1, 2**70, 3):
        out.rows(row(id=number))
    ids = [json.loads(told)["record"]["data"]["id"] for told in pipe.getvalue().splitlines()]
    assert ids == [1, 2**70, 3]


def test_rows_go_to_the_output_and_the_rest_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    state = AirbyteMessage(type=Type.STATE, state=AirbyteStateMessage(type=AirbyteStateType.STREAM))

    def read(*_: Any) -> Iterator[AirbyteMessage]:
        yield row(id=1)
        yield state

    monkeypatch.setattr(AirbyteEntrypoint, "read", read)
    pipe = Pipe()
    out = Output(pipe)
    assert list(Entrypoint(SourceAmocrm(lines), out).read()) == [state]
    assert pipe.getvalue() == line('{"id":1}')


def test_a_state_tells_the_number_of_rows_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform compares it with the rows that arrived."""
    stream = AirbyteStreamState(stream_descriptor=StreamDescriptor(name="deals"))
    state = AirbyteMessage(type=Type.STATE, state=AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream))
    source = SourceAmocrm(lines)
    messages = [*lines("deals", [{"id": 1}, {"id": 2}]), *lines("users", [{"id": 3}]), state]
    monkeypatch.setattr(source, "read", lambda *_: iter(messages))
    [told] = Entrypoint(source, Output(Pipe())).read(source.spec(logging.getLogger()), {}, None, [])
    assert told.state.sourceStats.recordCount == 2  # type: ignore[union-attr]


def test_what_other_threads_say_comes_between_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """They speak through the CDK's buffer, which writes to the same stdout."""
    pipe = io.BytesIO()
    stdout = io.TextIOWrapper(io.BufferedWriter(_Raw(pipe), 512), "utf-8")
    monkeypatch.setattr(sys, "__stdout__", stdout)
    threads = [threading.Thread(target=_speak, args=(number,)) for number in range(4)]
    out = Output(stdout.buffer)
    for thread in threads:
        thread.start()
    for number in range(5_000):
        out.rows(row(id=number, text="ю" * 100))
        if number % 50 == 0:
            out.line('{"type":"STATE"}')
    for thread in threads:
        thread.join()
    PRINT_BUFFER.flush()
    told = [orjson.loads(line) for line in pipe.getvalue().splitlines()]
    assert [one["record"]["data"]["id"] for one in told if one["type"] == "RECORD"] == list(range(5_000))
    assert sum(one["type"] == "STATE" for one in told) == 100
    for number in range(4):
        assert [one["n"] for one in told if one.get("who") == number] == list(range(500))


class _Raw(io.RawIOBase):
    """Lets other threads go on in the middle of a write, as a pipe does."""

    def __init__(self, to: io.BytesIO) -> None:
        super().__init__()
        self._to = to

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data[:4000])
        time.sleep(0)
        return self._to.write(part)


def _speak(number: int) -> None:
    for n in range(500):
        PRINT_BUFFER.write(orjson.dumps({"type": "LOG", "who": number, "n": n, "text": "я" * 50}).decode() + "\n")
        PRINT_BUFFER.flush()
