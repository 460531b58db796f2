"""`make peers`: what public clients of amoCRM bring of an account in which people work, beside this connector.

Each reads all deals of the same account on this machine, at the same seven requests a second, under the same edits. Of
the deals that were there from the first request to the last, some may be missing; a row that comes again, in a later
version, replaces the one with its key.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from integration_tests.connector import catalog, read_command
from integration_tests.sandbox import Account, Server, writes

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parent / ".venv-peers" / "bin" / "python"
LEADS = 5_000
EVERY = 0.2
"""Seconds between two edits."""
PEERS = ("aioamocrm", "amocrm-api")
OURS = "source-amocrm"


class People:
    """`with People(account) as people`: they delete, edit and create. `stayed`: deals that were there throughout."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.stayed = set(account.tables["leads"].rows)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> People:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(EVERY):
            with self._account.lock:
                leads = sorted(self._account.tables["leads"].rows)
                writes.trash(self._account, "leads", leads[0])
                writes.edit(self._account, "leads", leads[len(leads) // 2], name="edited")
                writes.create_lead(self._account)
                self.stayed &= self._account.tables["leads"].rows.keys()


def peer(name: str) -> Callable[[Server, Path], list[str]]:
    def command(server: Server, _: Path) -> list[str]:
        credentials: Any = server.config()["credentials"]
        token = credentials["access_token"]
        return [str(PYTHON), str(HERE / "peer_readers.py"), name, server.url, token]

    return command


def ours(server: Server, folder: Path) -> list[str]:
    return read_command(server, folder, streams=catalog(["deals"]), requests_per_second=7)


def ids(name: str, printed: str) -> list[int]:
    if name != OURS:
        return [int(line) for line in printed.split()]
    records = (json.loads(line) for line in printed.splitlines() if '"RECORD"' in line)
    rows = [record["record"]["data"] for record in records]
    return [row["lead_id"] for row in rows if not row["is_deleted"]]


def line(name: str, command: Callable[[Server, Path], list[str]]) -> str:
    account = Account.generate(seed=1, leads=LEADS)
    with TemporaryDirectory() as folder, Server(account, latency=(0.3, 0.55)) as server, People(account) as people:
        begun = time.monotonic()
        done = subprocess.run(command(server, Path(folder)), capture_output=True, text=True, check=False, timeout=600)
        took = time.monotonic() - begun
        asked = len(server.sandbox.log)
        stayed = set(people.stayed)
    found = ids(name, done.stdout)
    ended = "" if done.returncode == 0 else f", it ended with an error: {done.stderr.strip().splitlines()[-1][:80]}"
    missing, twice = len(stayed - set(found)), len(found) - len(set(found))
    return f"| {name} | {missing:,} of {len(stayed):,}{ended} | {twice:,} | {asked:,} | {took:.1f} |"


def main() -> None:
    print("| reader | deals missing | rows that came again | requests | seconds |")
    print("| --- | --- | --- | --- | --- |")
    for name in PEERS:
        print(line(name, peer(name)), flush=True)
    print(line(OURS, ours), flush=True)


if __name__ == "__main__":
    main()
