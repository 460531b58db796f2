"""What each account's last sync did, on disk beside the configs, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from amocrm_fleet.folder import FleetAccount, make_private
from source_amocrm import atomic_file
from source_amocrm.dates import iso

LONGEST_CAUSE = 110
"""Letters of a cause in a line. The rest is in the log, the page and the JSON."""


@dataclass(frozen=True)
class LastSync:
    """The rows that a sync received, the seconds it took, what failed and what else is to be known (sentences).

    `lasting`: whether a person has to mend something before another sync can succeed.
    """

    rows: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    lasting: bool = False


@dataclass(frozen=True)
class Status:
    """The last sync of an account, and how many have failed since one succeeded.

    `ended`, `succeeded`: UTC, as 2026-11-25T10:00:00Z, None where there was none.
    """

    last: LastSync = field(default_factory=LastSync)
    ended: str | None = None
    succeeded: str | None = None
    failed_in_a_row: int = 0

    def after(self, sync: LastSync, moment: datetime) -> Status:
        now = iso(int(moment.timestamp()))
        if sync.failures:
            return replace(self, last=sync, ended=now, failed_in_a_row=self.failed_in_a_row + 1)
        return Status(sync, now, now)

    @property
    def state(self) -> str:
        return "failed" if self.last.failures else "up to date" if self.ended else "never synced"

    @property
    def cause(self) -> str:
        """The first line of the first failure, "" where there is none."""
        lines = self.last.failures[0].strip().splitlines() if self.last.failures else []
        return lines[0] if lines else ""


def status_of(account: FleetAccount) -> Status:
    """Empty before the first sync, and where the file cannot be read: nothing depends on it."""
    try:
        held = atomic_file.read_json(account.beside("status.json"))
        return Status(**{**held, "last": LastSync(**held["last"])})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Status()


def record(account: FleetAccount, sync: LastSync) -> Status:
    """Raises OSError when the status cannot be written."""
    status = status_of(account).after(sync, datetime.now(timezone.utc))
    path = account.beside("status.json")
    make_private(path.parent)
    atomic_file.write(path, atomic_file.json_text(asdict(status)))
    return status


def worst_first(chosen: Iterable[FleetAccount]) -> list[tuple[FleetAccount, Status]]:
    """Failed accounts, then those that were never synced, then the others; the longest without a good sync first."""
    rank = {"failed": 0, "never synced": 1, "up to date": 2}
    found = [(account, status_of(account)) for account in chosen]
    return sorted(found, key=lambda pair: (rank[pair[1].state], pair[1].succeeded or "", pair[0].name))


def age(moment: str | None, now: datetime) -> str:
    """As “15 min ago”."""
    if moment is None:
        return "never"
    minutes = int((now - datetime.fromisoformat(moment.replace("Z", "+00:00"))).total_seconds() / 60)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"


def table(found: Iterable[tuple[FleetAccount, Status]], now: datetime) -> str:
    """A line an account: its state, how long ago it was synced and synced well, its rows and the cause of a failure."""
    rows = [("account", "state", "last sync", "last good", "rows", "cause"), *(_row(*pair, now) for pair in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for *left, rows_, cause in rows:
        cells = [cell.ljust(width) for cell, width in zip(left, widths, strict=False)]
        lines.append("  ".join([*cells, rows_.rjust(widths[-2]), cause]).rstrip())
    return "\n".join(lines)


def _row(account: FleetAccount, status: Status, now: datetime) -> tuple[str, ...]:
    state = f"failed ×{status.failed_in_a_row}" if status.failed_in_a_row > 1 else status.state
    cause = status.cause if len(status.cause) <= LONGEST_CAUSE else f"{status.cause[: LONGEST_CAUSE - 1]}…"
    rows = f"{status.last.rows:,}" if status.ended else "–"
    return account.name, state, age(status.ended, now), age(status.succeeded, now), rows, cause


def as_json(found: Iterable[tuple[FleetAccount, Status]]) -> list[dict[str, Any]]:
    return [{"account": account.name, "state": status.state, **asdict(status)} for account, status in found]
