"""What each account's last sync did, on disk beside the configs."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone

from amocrm_fleet.folder import Account
from source_amocrm import whole_file
from source_amocrm.dates import iso


@dataclass(frozen=True)
class Outcome:
    """One sync: rows received, seconds it took, what went wrong and what else is to be known, in sentences."""

    rows: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Status:
    """The last sync, and how it stands with the account; moments are UTC, as 2026-11-25T10:00:00Z."""

    last: Outcome = field(default_factory=Outcome)
    ended: str | None = None
    succeeded: str | None = None
    failed_in_a_row: int = 0

    def after(self, outcome: Outcome, moment: datetime) -> Status:
        now = iso(int(moment.timestamp()))
        if outcome.failures:
            return replace(self, last=outcome, ended=now, failed_in_a_row=self.failed_in_a_row + 1)
        return Status(outcome, now, now)


def outcome_of(code: int, said: list[str], complaints: list[str]) -> Outcome:
    """Of a process that ended with `code`, by the last line that it said; below zero it is the signal that ended it."""
    if code < 0:
        name = signal.Signals(-code).name
        return Outcome(failures=[f"The sync was killed ({name}). What it wrote is kept; the next one goes on."])
    try:
        return Outcome(**json.loads(said[-1]))
    except (IndexError, ValueError, TypeError):
        return Outcome(failures=[complaints[-1] if complaints else f"The sync ended with {code} and said nothing."])


def status_of(account: Account) -> Status:
    """An empty status before the first sync; one that cannot be read counts as none, for nothing depends on it."""
    try:
        held = json.loads(whole_file.read(account.beside("status.json"), json.loads))
        return Status(**{**held, "last": Outcome(**held["last"])})
    except (OSError, ValueError, TypeError, KeyError):
        return Status()


def record(account: Account, outcome: Outcome) -> Status:
    """Raises OSError when the status cannot be written."""
    status = status_of(account).after(outcome, datetime.now(timezone.utc))
    whole_file.write(account.beside("status.json"), whole_file.json_text(asdict(status)))
    return status
