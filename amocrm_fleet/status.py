"""The status of each account: how its last sync, verification and publication ended, kept beside the configs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from amocrm_fleet.accounts_folder import FleetAccount, make_private
from amocrm_warehouse.table_names import rows_of_tables
from source_amocrm import atomic_file
from source_amocrm.dates import iso

MONTHS = 13
"""Months whose usage is kept, so that one can be held against the same month a year before."""
LONGEST_CAUSE = 110
"""Letters of a failure's cause in the table. A longer cause is cut; the log, the page and the JSON have all of it."""


@dataclass(frozen=True)
class LastSync:
    """The outcome of one sync: rows received, seconds taken, and the sentences about failures and notices.

    `lasting`: whether a person has to fix something before another sync can succeed. `requests`: sent to amoCRM.
    `cpu_seconds`: of the account's process. `size`: bytes of the account's tables then, or of the whole DuckDB file.
    """

    rows: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    lasting: bool = False
    requests: int = 0
    cpu_seconds: float = 0.0
    size: int = 0


@dataclass(frozen=True)
class Usage:
    """What the syncs of a month took, in all."""

    syncs: int = 0
    rows: int = 0
    requests: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def after(self, sync: LastSync) -> Usage:
        return Usage(
            self.syncs + 1,
            self.rows + sync.rows,
            self.requests + sync.requests,
            round(self.seconds + sync.seconds, 1),
            round(self.cpu_seconds + sync.cpu_seconds, 1),
        )


@dataclass(frozen=True)
class LastVerification:
    """What `source-amocrm verify` found. `code`: as it exits, 0 equal, 1 differences, 2 not looked at, 3 not judged.

    `ended`: 2026-11-25T10:00:00Z, UTC. `notices`: what to do, and why the result is not in the database.
    """

    code: int
    sentence: str
    differences: int = 0
    notices: list[str] = field(default_factory=list)
    ended: str = ""

    @property
    def verdict(self) -> str:
        return ("equal", f"{self.differences:,} differ", "not looked at", "waits for a sync")[self.code]


@dataclass(frozen=True)
class LastPublication:
    """The outcome of one publication: the rows and tables that are in the warehouse now, or why they are not.

    `ended`: 2026-11-25T10:00:00Z, UTC.
    """

    rows: int = 0
    tables: int = 0
    failure: str = ""
    ended: str = ""

    @property
    def sentence(self) -> str:
        return self.failure or f"{rows_of_tables(self.rows, self.tables)} in the warehouse."


@dataclass(frozen=True)
class Status:
    """The last sync of an account, the failed syncs since the last successful one, and what came after the syncs.

    `ended`, `succeeded`: the end of the last sync and of the last successful one (2026-11-25T10:00:00Z, UTC), or None.
    `usage`: by month (2026-11, UTC, newest last), of the last MONTHS.
    """

    last: LastSync = field(default_factory=LastSync)
    ended: str | None = None
    succeeded: str | None = None
    failed_in_a_row: int = 0
    verified: LastVerification | None = None
    published: LastPublication | None = None
    usage: dict[str, Usage] = field(default_factory=dict)

    def after(self, sync: LastSync, moment: datetime) -> Status:
        now = iso(int(moment.timestamp()))
        usage = self.usage | {now[:7]: self.usage.get(now[:7], Usage()).after(sync)}
        usage = dict(sorted(usage.items())[-MONTHS:])
        if sync.failures:
            return replace(self, last=sync, ended=now, failed_in_a_row=self.failed_in_a_row + 1, usage=usage)
        return replace(self, last=sync, ended=now, succeeded=now, failed_in_a_row=0, usage=usage)

    @property
    def state(self) -> str:
        return "failed" if self.last.failures else "synced" if self.ended else "never synced"

    @property
    def cause(self) -> str:
        """The first line of the first failure, "" after a successful sync."""
        lines = self.last.failures[0].strip().splitlines() if self.last.failures else []
        return lines[0] if lines else ""


def status_of(account: FleetAccount) -> Status:
    """Reads the account's status. Returns an empty one before the first sync and when the file cannot be read."""
    try:
        held = atomic_file.read_json(account.beside("status.json"))
        verified = LastVerification(**held["verified"]) if held.get("verified") else None
        published = LastPublication(**held["published"]) if held.get("published") else None
        parts = {"last": LastSync(**held["last"]), "verified": verified, "published": published}
        return Status(**{**held, **parts, "usage": {month: Usage(**one) for month, one in held["usage"].items()}})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Status()


def record(account: FleetAccount, sync: LastSync) -> str:
    """Writes the account's status after `sync`. Returns why it cannot be written, "" if it is."""
    return _written(account, status_of(account).after(sync, datetime.now(timezone.utc)))


def record_verification(account: FleetAccount, verification: LastVerification) -> str:
    """Writes the account's status after a verification. Returns as `record`."""
    verified = replace(verification, ended=iso(int(datetime.now(timezone.utc).timestamp())))
    return _written(account, replace(status_of(account), verified=verified))


def record_publication(account: FleetAccount, publication: LastPublication) -> str:
    """Writes the account's status after a publication. Returns as `record`."""
    published = replace(publication, ended=iso(int(datetime.now(timezone.utc).timestamp())))
    return _written(account, replace(status_of(account), published=published))


def _written(account: FleetAccount, status: Status) -> str:
    path = account.beside("status.json")
    try:
        make_private(path.parent)
        if path.is_symlink():
            path.unlink()  # somebody else's: `write` would follow it
        atomic_file.write(path, atomic_file.json_text(asdict(status)))
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}."
    return ""


def worst_first(chosen: Iterable[FleetAccount]) -> list[tuple[FleetAccount, Status]]:
    """Sorts failed accounts first, then accounts never synced, then the rest; in a group, the oldest success first."""
    rank = {"failed": 0, "never synced": 1, "synced": 2}
    found = [(account, status_of(account)) for account in chosen]
    return sorted(found, key=lambda pair: (rank[pair[1].state], pair[1].succeeded or "", pair[0].name))


def age(moment: str | None, now: datetime) -> str:
    """Formats the time since `moment`, as “15 min ago”."""
    if moment is None:
        return "never"
    minutes = int((now - datetime.fromisoformat(moment.replace("Z", "+00:00"))).total_seconds() / 60)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"


def table(found: Iterable[tuple[FleetAccount, Status]], now: datetime) -> str:
    """Formats one line an account: state, ages of the last sync and the last success, rows, what came later, cause."""
    head = ("account", "state", "last sync", "last good", "rows", "verified", "published", "cause")
    rows = [head, *(_row(*pair, now) for pair in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if name == "rows" else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def verified(status: Status, now: datetime) -> str:
    """Formats what the last verification found and when, as “equal, 3 days ago”."""
    return f"{status.verified.verdict}, {age(status.verified.ended, now)}" if status.verified else "never"


def published(status: Status, now: datetime) -> str:
    """Formats how the last publication ended and when, as “failed, 3 days ago”."""
    if not status.published:
        return "never"
    return f"{'failed, ' if status.published.failure else ''}{age(status.published.ended, now)}"


def used(status: Status, now: datetime) -> str:
    """Formats what the syncs of this month took, as “30 syncs, 1,200 requests, 25 min, 90 s of CPU, 12 MB”."""
    one = status.usage.get(iso(int(now.timestamp()))[:7])
    if not one:
        return "–"
    size = f", {status.last.size / 1e6:,.0f} MB" if status.last.size else ""
    work = f"{one.requests:,} requests, {one.seconds / 60:,.0f} min, {one.cpu_seconds:,.0f} s of CPU"
    return f"{one.syncs:,} sync{'' if one.syncs == 1 else 's'}, {work}{size}"


def _row(account: FleetAccount, status: Status, now: datetime) -> tuple[str, ...]:
    state = f"failed ×{status.failed_in_a_row}" if status.failed_in_a_row > 1 else status.state
    cause = status.cause if len(status.cause) <= LONGEST_CAUSE else f"{status.cause[: LONGEST_CAUSE - 1]}…"
    rows = f"{status.last.rows:,}" if status.ended else "–"
    ages = age(status.ended, now), age(status.succeeded, now)
    return account.name, state, *ages, rows, verified(status, now), published(status, now), cause


def as_json(found: Iterable[tuple[FleetAccount, Status]], watched: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """`watched`: as `out_of_habit` returns it."""
    return [
        {
            "account": account.name,
            "state": status.state,
            **asdict(status),
            "watch": watched.get(account.name, []),
        }
        for account, status in found
    ]


def out_of_habit(chosen: Iterable[FleetAccount], db: str) -> dict[str, list[str]]:
    """Returns the sentences about what is out of an account's habit, by its name, as the marts in its database say.

    `db`: the address of the database; `{name}` in it becomes the account's name. A database that cannot be read now
    tells nothing.
    """
    from amocrm_warehouse.report.watch import watched_in  # the drivers of the databases take a quarter of a second

    found: dict[str, list[str]] = {}
    in_database: dict[str, dict[str, list[str]]] = {}
    for account in chosen:
        address = db.replace("{name}", account.name)
        if address not in in_database:
            in_database[address] = watched_in(address)
        if sentences := in_database[address].get(account.project.lower()):
            found[account.name] = sentences
    return found
