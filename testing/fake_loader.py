"""What stands for the functions that load, verify and publish an account's tables: they do what the account is called.

What it is asked goes into the file `asked` beside the folder of accounts.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from amocrm_fleet.fleet_publish import Publishing
from amocrm_fleet.fleet_sync import Syncing
from amocrm_fleet.fleet_verify import Verifying
from amocrm_warehouse.live_line import LiveLine, Step, Tell
from amocrm_warehouse.sync import Outcome
from amocrm_warehouse.verify.findings import Finding, Verification

NOON = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)


def _loads(**outcome: object) -> Callable[[], Outcome]:
    return lambda: Outcome(Counter(deals=5, note_types=28), seconds=1.5, **outcome)  # type: ignore[arg-type]


def _refuses(code: str) -> Callable[[], Outcome]:
    def refused() -> Outcome:
        raise ValueError(code)

    return refused


def _ends(number: int) -> Callable[[], Outcome]:
    return lambda: os._exit(number)


def _killed() -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _slow() -> Outcome:
    while True:
        time.sleep(0.02)


def _deaf() -> Outcome:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return _slow()


def _killer() -> Outcome:
    """The server that forked it is killed."""
    os.kill(os.getppid(), signal.SIGKILL)
    return _slow()


def _forked() -> Outcome:
    """Starts a process that holds the account as long as it lives, and dies."""
    if os.fork() == 0:
        _slow()
    return _killed()


def _who() -> Outcome:
    """Tells its process, its session, the server, its environment, and which modules the server had imported."""
    seen, os.environ["SEEN"] = os.environ.get("SEEN"), "by another"
    told = f"{os.getpid()} {os.getsid(0)} {os.getppid()} {seen} {os.umask(0o77):o}"
    return Outcome(errors=[told])


DOES: dict[str, Callable[[], Outcome]] = {
    "renamed": _loads(notices=["It is now called south."]),
    "revoked": lambda: Outcome(
        Counter(note_types=28), errors=["amoCRM no longer accepts the refresh token.", "And more."], config_error=True
    ),
    "unreachable": lambda: Outcome(errors=["No answer from example.amocrm.ru.\nTables: deals."]),
    "refused": _refuses("The database cannot be opened: no."),
    "broken": lambda: 1 // 0,  # type: ignore[dict-item,return-value]
    "killed": _killed,
    "dumb": _ends(4),
    "slow": _slow,
    "deaf": _deaf,
    "killer": _killer,
    "forked": _forked,
    "who": _who,
    "talks": _slow,
}


def sync(
    config: Path,
    *,
    to: str,
    project: str,
    streams: list[str] | None,
    without: Collection[str],
    count: bool,
    line: LiveLine,
    **kept: Any,
) -> Outcome:
    with (config.parents[1] / "asked").open("a", encoding="utf-8") as asked:
        left_out = f" without {', '.join(without)}" if without else ""
        also = "".join(f", {name} {value}" for name, value in kept.items() if value is not None)
        asked.write(f"{config.name} into {to} as {project}: {streams}{left_out}{also}\n")
    assert (sys.stdin.read(), count) == ("", False)
    if config.stem == "talks":
        print("The log has another last line.", flush=True)
        line.step = lambda: Step("reading", 512, unit="rows", at="leads up to 2024-03-11")
        line.tick()
    return DOES.get(config.stem, _loads())()


def verify(config: Path, database: str, project: str, *, tell: Tell, requests: int = 500) -> Verification:
    with (config.parents[1] / "asked").open("a", encoding="utf-8") as asked:
        asked.write(f"{config.name} in {database} as {project}: {requests}\n")
    tell(Step("looking at the account", 3, 50, "lists"))
    DOES.get(config.stem, _loads())()
    deals = Finding(looked_at=7, whole=True, missing=2 if config.stem == "differs" else 0)
    return Verification(NOON, NOON, tables={"deals": deals})


def publish(
    source: str, to: str, *, projects: Sequence[str], only: Sequence[str], line: LiveLine
) -> dict[str, dict[str, int]]:
    """Notes what it is asked in the folder in which the fleet was started."""
    with Path("asked").open("a", encoding="utf-8") as asked:
        asked.write(f"{','.join(projects)} of {source} into {to}: {','.join(only)}\n")
    line.begin("publishing", 2)
    [project] = projects
    DOES.get(project, _loads())()
    return {project: {"deals": 1_000, "funnel": 7}}


class FakeSyncing(Syncing):
    imported = ()

    @staticmethod
    def function() -> Callable[..., Outcome]:
        return sync


class FakeVerifying(Verifying):
    @staticmethod
    def function() -> Callable[..., Verification]:
        return verify


class FakePublishing(Publishing):
    imported = ()

    @staticmethod
    def function() -> Callable[..., dict[str, dict[str, int]]]:
        return publish
