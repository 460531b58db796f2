"""`make peers`: what public readers of amoCRM bring of an account in which people work, beside this connector.

Each reads all deals of the same account on this machine, at the same seven requests a second, under the same edits; a
connector reads twice, the second time from the state of the first. Of the deals that were there from the first request
to the last, some may be missing. After the second sync a deal that nobody changed during it may be old, and one that
was deleted before it may still be there. A row that comes again, in a later version, replaces the one with its key.
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
from integration_tests.connector import COMMAND, catalog, files, read_command
from integration_tests.sandbox import Account, Server, writes

PYTHON = READERS.parent.parent / ".venv-peers" / "bin" / "python"
LEADS = 5_000
LATENCY = 0.3, 0.55
EVERY = 0.2
"""Seconds between two edits."""
LONGEST = 120
"""Seconds after which a reader is stopped."""
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
    """`changed`: Unix seconds, if they were told; `gone`: the row says that the deal was deleted."""

    id: int
    changed: int | None = None
    gone: bool = False


class People:
    """`with People(account) as people`: they delete, edit and create. `stayed`: deals that were there throughout."""

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

    def now(self) -> Moment:
        with self._account.lock:
            rows = self._account.tables["leads"].rows
            return Moment({own: row["updated_at"] for own, row in rows.items()}, set(self._stayed), set(self._deleted))

    def _work(self) -> None:
        while not self._over.wait(EVERY):
            with self._account.lock:
                leads = sorted(self._account.tables["leads"].rows)
                self._deleted.add(leads[0])
                writes.trash(self._account, "leads", leads[0])
                writes.edit(self._account, "leads", leads[len(leads) // 2], name="edited")
                writes.create_lead(self._account)
                self._stayed &= self._account.tables["leads"].rows.keys()


@dataclass(frozen=True)
class Moment:
    """`there`: when each deal was changed last, by its id; those that `stayed` all the time; those `deleted` so far."""

    there: Mapping[int, int]
    stayed: Set[int]
    deleted: Set[int]


@dataclass
class Table:
    """What the reader's destination holds: each deal in the version that came last."""

    rows: dict[int, int | None] = field(default_factory=dict)

    def take(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if row.gone:
                self.rows.pop(row.id, None)
            else:
                self.rows[row.id] = row.changed

    def wrong(self, before: Moment, after: Moment) -> tuple[int, int, int]:
        """How many deals are missing, old, and there though they were deleted; the sync went on between the two."""
        missing = after.stayed - self.rows.keys()
        settled = {own for own in after.stayed if before.there.get(own) == after.there[own]}
        old = {own for own in settled & self.rows.keys() if self.rows[own] != after.there[own]}
        return len(missing), len(old), len(before.deleted & self.rows.keys())


@dataclass(frozen=True)
class Sync:
    printed: str
    ended: str
    requests: int
    seconds: float


@dataclass(frozen=True)
class Reader:
    """`command` of a sync, by what the one before it printed; `rows` of what it prints.

    `again`: it has a second sync, which either `replaces` the table or goes on with it.
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
        given = {"config": connector.config(token), "catalog": connector.catalog()}
        state = {"state": state_of(before)} if before and connector.incremental else {}
        return connector.command(server.url, token, files(folder, **given, **state))

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
    return (Row(int(own)) for own in printed.split())


def own_rows(printed: str) -> Iterator[Row]:
    for _, row in records(printed):
        yield Row(row["lead_id"], round(datetime.fromisoformat(row["updated_at"]).timestamp()), row["is_deleted"])


def public_rows(printed: str) -> Iterator[Row]:
    """The events of deletions come after the deals."""
    found = list(records(printed))
    yield from (Row(row["id"], row["updated_at"]) for stream, row in found if stream == "leads")
    gone = (row for stream, row in found if stream == "events" and row["type"] == "lead_deleted")
    yield from (Row(row["entity_id"], gone=True) for row in gone)


def sync(command: list[str], server: Server) -> Sync:
    begun, asked = time.monotonic(), len(server.log)
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)
        printed, ended = done.stdout, "well" if done.returncode == 0 else why(done.stdout, done.stderr)
    except subprocess.TimeoutExpired as stopped:
        printed, ended = (stopped.stdout or b"").decode(errors="replace"), STOPPED
    return Sync(printed, ended, len(server.log) - asked, time.monotonic() - begun)


def why(printed: str, said: str) -> str:
    """The reason that a reader gave in Airbyte's way, or its last words."""
    traces = [message["trace"] for message in messages(printed) if message["type"] == "TRACE"]
    errors = [trace["error"] for trace in traces if trace["type"] == "ERROR"]
    reasons = [error.get("internal_message") or error.get("message") or "" for error in errors]
    last = next((reason for reason in reasons if reason), said.strip().rpartition("\n")[2])
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
    came = [row.id for row in rows if not row.gone]
    missing, twice = len(between.stayed - table.rows.keys()), len(came) - len(set(came))
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
    """`source`: where the repositories of the connectors are."""
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
