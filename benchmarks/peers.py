"""`make peers`: compares public readers of amoCRM with this connector, on an account in which people work.

Each reader reads all deals of the same account on this machine, at seven requests a second, under the same edits. A
connector reads twice, the second time with the state of the first. Counted as errors are: missing deals among those
that existed from the first request to the last; after the second sync, outdated deals among those that nobody changed
during it, and deals that were deleted before it and are still there. A later row of a key replaces the earlier one.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from airbyte_cdk.models import AirbyteStateMessageSerializer

from benchmarks.peer_connectors import CONNECTORS, READERS, Connector, Unusable, installed, messages, state_of
from sandbox import Account, Server, writes
from testing.connector import COMMAND, catalog, files, read_command

PYTHON = READERS.parent.parent / ".venv-apart" / "bin" / "python"
LEADS = 5_000
LATENCY = 0.3, 0.55
EDIT_EVERY = 0.2
"""Time between two rounds of edits (seconds)."""
TIMEOUT = 120
"""Time after which a reader is stopped (seconds)."""
STOPPED = "not by itself"
CLIENTS = ("aioamocrm", "amocrm-api")
HEAD = (
    "reader",
    "deals missing",
    "rows that came again",
    "requests",
    "seconds",
    "after the next sync: missing, old, deleted but there",
    "requests",
    "how it ended",
)


class Row(NamedTuple):
    """`changed`: the deal's updated_at (unix seconds), if the reader prints it. `gone`: the row reports a deletion."""

    id: int
    changed: int | None = None
    gone: bool = False


class People:
    """`with People(account) as people`: they delete, edit and create deals in a thread."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._stayed = set(account.tables["leads"].rows)
        self._deleted: set[int] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> People:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def now(self) -> Snapshot:
        with self._account.lock:
            rows = self._account.tables["leads"].rows
            changed = {lead_id: row["updated_at"] for lead_id, row in rows.items()}
            return Snapshot(changed, set(self._stayed), set(self._deleted))

    def _work(self) -> None:
        while not self._over.wait(EDIT_EVERY):
            with self._account.lock:
                leads = sorted(self._account.tables["leads"].rows)
                self._deleted.add(leads[0])
                writes.trash(self._account, "leads", leads[0])
                writes.edit(self._account, "leads", leads[len(leads) // 2], name="edited")
                writes.create_lead(self._account)
                self._stayed &= self._account.tables["leads"].rows.keys()


@dataclass(frozen=True)
class Snapshot:
    """`changed`: the updated_at of each deal, by its id. `stayed`: deals that existed all the time."""

    changed: Mapping[int, int]
    stayed: Set[int]
    deleted: Set[int]


@dataclass
class Table:
    """The table in the reader's destination: each deal in the version that came last."""

    rows: dict[int, int | None] = field(default_factory=dict)

    def take(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if row.gone:
                self.rows.pop(row.id, None)
            else:
                self.rows[row.id] = row.changed

    def wrong(self, before: Snapshot, after: Snapshot) -> tuple[int, int, int]:
        """Counts deals that are missing, outdated, and present though deleted. The sync ran between the snapshots."""
        missing = after.stayed - self.rows.keys()
        settled = {lead_id for lead_id in after.stayed if before.changed.get(lead_id) == after.changed[lead_id]}
        old = {lead_id for lead_id in settled & self.rows.keys() if self.rows[lead_id] != after.changed[lead_id]}
        return len(missing), len(old), len(before.deleted & self.rows.keys())


@dataclass(frozen=True)
class Sync:
    printed: str
    ended: str
    requests: int
    seconds: float


@dataclass(frozen=True)
class Reader:
    """`command`: makes the command of a sync from the output of the last one. `rows`: reads the rows of an output.

    `again`: whether it can sync a second time. `replaces`: whether that replaces the table instead of updating it.
    """

    name: str
    command: Callable[[Server, Path, str], list[str]]
    rows: Callable[[str], Iterable[Row]]
    again: bool = True
    replaces: bool = False


def client(name: str) -> Reader:
    def command(server: Server, _: Path, __: str) -> list[str]:
        return [str(PYTHON), str(READERS), name, server.url, token_of(server)]

    return Reader(f"{name} {installed(PYTHON, name)}", command, printed_rows, again=False)


def public(connector: Connector) -> Reader:
    def command(server: Server, folder: Path, before: str) -> list[str]:
        token = token_of(server)
        state = {"state": state_of(before)} if before and connector.incremental else {}
        paths = files(folder, config=connector.config(token), catalog=connector.catalog(), **state)
        return connector.command(server.url, token, paths)

    return Reader(connector.name, command, public_rows, replaces=not connector.incremental)


def ours() -> Reader:
    def command(server: Server, folder: Path, before: str) -> list[str]:
        state = [AirbyteStateMessageSerializer.load(one) for one in state_of(before)] if before else None
        return [str(COMMAND), *read_command(server, folder, state, catalog(["deals"]), requests_per_second=7)]

    return Reader("source-amocrm", command, own_rows)


def token_of(server: Server) -> str:
    credentials: Any = server.config()["credentials"]
    return str(credentials["access_token"])


def records(printed: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for message in messages(printed):
        if message["type"] == "RECORD":
            yield message["record"]["stream"], message["record"]["data"]


def printed_rows(printed: str) -> Iterator[Row]:
    return (Row(int(lead_id)) for lead_id in printed.split())


def own_rows(printed: str) -> Iterator[Row]:
    for _, row in records(printed):
        yield Row(row["lead_id"], round(datetime.fromisoformat(row["updated_at"]).timestamp()), row["is_deleted"])


def public_rows(printed: str) -> Iterator[Row]:
    """Yields the deals, then the deletions, whatever order the connector prints."""
    found = list(records(printed))
    yield from (Row(row["id"], row["updated_at"]) for stream, row in found if stream == "leads")
    gone = (row for stream, row in found if stream == "events" and row["type"] == "lead_deleted")
    yield from (Row(row["entity_id"], gone=True) for row in gone)


def sync(command: list[str], server: Server) -> Sync:
    begun, before = time.monotonic(), len(server.log)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
        printed, ended = done.stdout, "well" if done.returncode == 0 else failure_of(done.stdout, done.stderr)
    except subprocess.TimeoutExpired as stopped:
        printed, ended = (stopped.stdout or b"").decode(errors="replace"), STOPPED
    return Sync(printed, ended, len(server.log) - before, time.monotonic() - begun)


def failure_of(printed: str, stderr: str) -> str:
    """Returns the reason from an Airbyte trace message, or the last line of stderr."""
    traces = [message["trace"] for message in messages(printed) if message["type"] == "TRACE"]
    errors = [trace["error"] for trace in traces if trace["type"] == "ERROR"]
    reasons = [error.get("internal_message") or error.get("message") or "" for error in errors]
    last = next((reason for reason in reasons if reason), stderr.strip().rpartition("\n")[2])
    return f"with an error: {' '.join(last.split())[:120]}"


def line(reader: Reader) -> str:
    account = Account.generate(seed=1, leads=LEADS)
    table = Table()
    with TemporaryDirectory() as folder, Server(account, latency=LATENCY) as server, People(account) as people:
        first = sync(reader.command(server, Path(folder), ""), server)
        between = people.now()
        again = reader.again and first.ended != STOPPED
        second = sync(reader.command(server, Path(folder), first.printed), server) if again else None
        after = people.now()
    rows = list(reader.rows(first.printed))
    table.take(rows)
    ids = [row.id for row in rows if not row.gone]
    missing, twice = len(between.stayed - table.rows.keys()), len(ids) - len(set(ids))
    cells = [f"{missing:,} of {len(between.stayed):,}", f"{twice:,}", f"{first.requests:,}", f"{first.seconds:.1f}"]
    if second is None:
        return row_of(reader.name, *cells, "–", "–", first.ended)
    if reader.replaces and second.ended == "well":
        table = Table()
    table.take(reader.rows(second.printed))
    wrong = ", ".join(f"{count:,}" for count in table.wrong(between, after))
    ended = first.ended if first.ended == second.ended else f"{first.ended}; then {second.ended}"
    return row_of(reader.name, *cells, wrong, f"{second.requests:,}", ended)


def row_of(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def main(source: str) -> None:
    """`source`: the address or folder of the connectors' repositories."""
    print(row_of(*HEAD))
    print(row_of(*("---" for _ in HEAD)))
    for name in CLIENTS:
        print(line(client(name)), flush=True)
    for connector in CONNECTORS:
        try:
            connector.prepare(source)
        except Unusable as unusable:
            print(row_of(connector.title, *("–" for _ in HEAD[2:]), f"not run. {unusable}"), flush=True)
        else:
            print(line(public(connector)), flush=True)
    print(line(ours()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
