"""What stands for the loader of a fleet, a fork server like the real one: a sync does what its account is called.

`fake_loader(folder)` makes a checkout of it, which writes what it is asked into `asked` in the same folder.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from amocrm_fleet import fork_server

ROOT = Path(__file__).resolve().parents[1]


def fake_loader(folder: Path) -> Path:
    """The checkout to give to a `Loader`."""
    python = folder / "checkout" / ".venv-pyairbyte" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m unit_tests.fake_loader {folder} "$@"\n')
    python.chmod(0o755)
    return folder / "checkout"


def _says(text: str, code: int = 0, complaint: str = "") -> Callable[[], int]:
    def said() -> int:
        print(text)
        print(complaint, file=sys.stderr)
        return code

    return said


def _killed() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _slow() -> int:
    while True:
        time.sleep(0.02)


def _deaf() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _slow()


def _killer() -> int:
    """The server that forked it is killed."""
    os.kill(os.getppid(), signal.SIGKILL)
    return _slow()


def _who() -> int:
    """Tells its process, its session, the server, whether its environment is its own, and who holds the lock."""
    print(f'{{"rows": {os.getpid()}, "failures": ["{os.getsid(0)} {os.getppid()} {os.environ.get("SEEN")}"]}}')
    os.environ["SEEN"] = "by another"
    return 0


def _connecting() -> int:
    """Asks for a work itself, which outlives this process."""
    fork_server.begin("connector", ["slow"], 1, 2)
    _killed()


SAYS: dict[str, Callable[[], int]] = {
    "fine": _says('{"rows": 5, "seconds": 1.5, "failures": []}'),
    "renamed": _says('{"rows": 5, "notices": ["It is now called south."]}'),
    "revoked": _says('{"seconds": 1, "failures": ["amoCRM no longer accepts the refresh token."]}', 1),
    "refused": _says("first", 2, "The database cannot be opened: no."),
    "broken": lambda: 1 // 0,
    "killed": _killed,
    "dumb": _says("", 4),
    "slow": _slow,
    "deaf": _deaf,
    "killer": _killer,
    "who": _who,
    "connecting": _connecting,
}


def main(folder: str, *arguments: str) -> None:
    def write(line: str) -> None:
        with open(f"{folder}/asked", "a", encoding="utf-8") as asked:
            asked.write(f"{line}\n")

    def sync(asked: list[str]) -> int:
        write(f"{os.environ.get('DB')} {' '.join(asked)}")
        name = Path(asked[asked.index("--config") + 1]).stem
        return SAYS.get(name, SAYS["fine"])()

    if arguments != ("-m", "demo.fleet_loader"):
        write(" ".join(arguments))
        return
    write("started")
    fork_server.TIME_TO_STOP = 0.3
    fork_server.serve(socket.socket(fileno=os.dup(0)), {"sync": sync, "connector": lambda names: SAYS[names[0]]()})


if __name__ == "__main__":
    main(*sys.argv[1:])
