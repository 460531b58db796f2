"""The wire between a fleet and the process that forks for it: what is said on it in whichever order it is met."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

import pytest

from amocrm_fleet import wire
from amocrm_fleet.wire import Asked, Gone, begin

ASKED = Asked("sync", ["--json"], {"DB": "crm", "ODD": "\udcff", "LONG": "x" * 200_000})


def test_a_work_that_has_ended_before_it_was_asked_for_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is quick: it has read the request, told all, and closed the wire when sending returns."""
    ours, theirs = socket.socketpair()
    sends, seen = socket.send_fds, []

    def sent(end: socket.socket, parts: list[Any], files: list[int]) -> int:
        count = sends(end, parts, files)
        if end is not ours:
            with theirs, _accepted(theirs) as accepted:
                asked, given = wire.read(accepted)
                seen.append((asked, len(given)))
                for number in given:
                    os.close(number)
                wire.told(accepted, 4711)
                wire.told(accepted, -9)
        return count

    monkeypatch.setattr(socket, "send_fds", sent)
    short = Asked("sync", [], {"ODD": "\udcff"})
    with ours:
        forked = begin(ours, short, 1, 2, [0])
        assert (forked.pid, forked.wait()) == (4711, -signal.SIGKILL)
        forked.stop(1)
    assert seen == [(short, 3)]


def test_a_request_that_comes_in_parts() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        pid = os.fork()
        if pid == 0:
            with _accepted(theirs) as accepted:
                asked, _ = wire.read(accepted)
                wire.told(accepted, int(asked == ASKED))
                os._exit(0)
        assert begin(ours, ASKED, 1, 2).pid == 1
        os.waitpid(pid, 0)


def test_nobody_is_there() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(Gone):
        begin(ours, ASKED, 1, 2)


def _accepted(control: socket.socket) -> socket.socket:
    accepted = wire.receive(control)
    assert accepted is not None
    return accepted
