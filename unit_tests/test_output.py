"""Lines reach stdout whole, in their order, and none stays behind."""

from __future__ import annotations

import io

import pytest

from source_amocrm.output import LARGE, STATE, Output


class Pipe(io.StringIO):
    """Remembers what each write brought that was flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.brought: list[str] = []

    def flush(self) -> None:
        self.brought.append(self.getvalue()[sum(map(len, self.brought)) :])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("source_amocrm.output.time.monotonic", lambda: now[0])
    return now


def test_lines_wait_for_each_other(clock: list[float]) -> None:
    pipe = Pipe()
    with Output(pipe) as out:
        for text in ("один", "two"):
            out.line(text)
        assert pipe.brought == []
        clock[0] += 0.1
        out.line("three")
        assert pipe.brought == ["один\ntwo\nthree\n"]
        out.line("four")
    assert pipe.brought[1:] == ["four\n"]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("text", ["x" * LARGE, STATE + "}"])
def test_what_is_large_and_what_tells_the_state_is_written_at_once(text: str) -> None:
    pipe = Pipe()
    with Output(pipe) as out:
        out.line("before")
        out.line(text)
        assert pipe.brought == [f"before\n{text}\n"]


@pytest.mark.usefixtures("clock")
def test_what_came_before_a_failure_is_written() -> None:
    pipe = Pipe()

    def fails() -> None:
        with Output(pipe) as out:
            out.line("before")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fails()
    assert pipe.brought == ["before\n"]
