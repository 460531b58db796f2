"""Verifies an account: syncs, compares, and syncs and looks again at what differs.

A sync misses an event that amoCRM shows late, and the syncs of its look-back make up for it. So a fault is what differs
in the same way after two more syncs, of which the second begins when that time has passed.
"""

from __future__ import annotations

import random
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from time import sleep

from amocrm_warehouse.database_address import without_password
from amocrm_warehouse.live_line import LiveLine, Step, Tell, live_line, untold
from amocrm_warehouse.sync import sync
from amocrm_warehouse.table_names import SCHEMA
from amocrm_warehouse.verify.findings import Finding, Verification
from amocrm_warehouse.verify.held_tables import held_tables
from amocrm_warehouse.verify.kept_results import keep
from amocrm_warehouse.verify.lasting_differences import MOST_LOOKS, Pending, judge, limits, without_uncounted
from amocrm_warehouse.verify.row_differences import Difference, RowDifferences
from amocrm_warehouse.verify.rows_looked_at import Look
from source_amocrm.auth import FileKeeper
from source_amocrm.config_file import ConfigFile
from source_amocrm.errors import AmocrmError
from source_amocrm.source import open_account
from source_amocrm.streams import STREAMS

GONE = "the table is not there, though a sync has filled it. The next sync makes it anew."
REQUESTS = 500
"""Requests of a look besides those for the IDs of cards: at the account's pace, 70 seconds."""
PAUSE = 3
"""Seconds between the first look and the next sync, which leaves the newest second to the one after it."""
LONGEST_PAUSE = 300
"""Seconds between the second look and the last sync: the sync's look-back, but no more than the usual one."""


def verify(
    config: Path,
    database: str,
    project: str,
    dataset: str = SCHEMA,
    *,
    requests: int = REQUESTS,
    kept: bool = True,
    no_sync: bool = False,
    again: Path | None = None,
    tell: Tell = untold,
) -> Verification:
    """Compares the tables of a project with the account of a config, between syncs of its own.

    Keeps the result in a table of its own, unless it is not to be `kept`. With `no_sync`, or if Airbyte wrote the
    tables, what differs waits in the file `again` for a sync; with that file, judges those rows. `tell` gets each step.
    Raises ValueError if it cannot begin, and one of DATABASE_ERRORS if the database cannot be read.
    """
    file, requested, notices, draw = ConfigFile(config), list[str](), list[str](), random.Random()
    with held_tables(database, project, dataset) as held:
        prefix, synced_at, gone = held.prefix, held.synced_at(), held.gone()
        own_sync, filled = not (no_sync or held.of_airbyte), {*held.columns, *gone}
    if synced_at is None:
        raise ValueError(
            f"No sync into the tables {prefix}… of the schema {dataset} has ended yet, so there is nothing to "
            "verify. Run `source-amocrm sync` with the same --to and --project to its end."
        )

    def synced() -> set[str]:
        """Syncs the tables. Returns the streams that were not read to their end."""
        names = [name for name in STREAMS if name in filled]
        of_sync = LiveLine(lambda _: None)  # its steps are shown, not what each table has got
        with live_line(sys.stderr, tell) as line:  # stdout is the result's alone
            line.step = lambda: of_sync.step()
            done = sync(config, to=database, project=project, streams=names, dataset=dataset, count=False, line=of_sync)
        notices[:] = done.errors
        return {*names} - done.complete

    def wait(seconds: int) -> None:
        with live_line(sys.stderr, tell) as line:
            line.step = lambda: Step(f"waiting {seconds} s for what amoCRM tells late")
            sleep(seconds)

    @contextmanager
    def looking() -> Iterator[Look]:
        nonlocal synced_at, gone
        with live_line(sys.stderr, tell) as line, held_tables(database, project, dataset) as held:
            line.step = lambda: Step("asking amoCRM")
            try:
                account = open_account(
                    file.settings(), hand_over=FileKeeper(file), observe=lambda path, _: requested.append(path)
                )
                look = Look(RowDifferences(account, held), requested, requests, draw)
                line.step = lambda: look.step
                yield look
            except AmocrmError as error:
                raise ValueError(str(error)) from None
            synced_at, gone = held.synced_at(), held.gone()

    if again and not own_sync and again.exists():
        pending = Pending.read(again, prefix)
    else:
        if own_sync:
            synced()
        with looking() as look:
            differences = look.at_all()
            if own_sync:
                excused = partial(limits, rows=look.rows, trash=look.trash)
                differences = without_uncounted(differences, look.found, excused)
        pending = Pending(prefix, str(synced_at), 1, look.found, differences)
    unread = list[Difference]()
    while pending.differences and pending.looks < MOST_LOOKS and (own_sync or pending.synced_at != str(synced_at)):
        failed = set[str]()
        if own_sync:
            lookback = look.rows.account.config.lookback
            wait(PAUSE if pending.looks == 1 else min(max(PAUSE, lookback), LONGEST_PAUSE))
            failed = synced()
        with looking() as look:
            now = look.again(pending.differences)
            failed |= {name for name, finding in look.found.items() if finding.failure}
            unread += [one for one in pending.differences if one.stream in failed]
            read = [one for one in pending.differences if one.stream not in failed]
            last = not own_sync or pending.looks == MOST_LOOKS - 1
            left = judge(read, now, pending.tables, partial(limits, rows=look.rows, trash=look.trash), last=last)
        pending = Pending(prefix, str(synced_at), pending.looks + 1, pending.tables, left)
    changing = pending.differences if pending.looks == MOST_LOOKS else []
    waiting = unread if changing else [*unread, *pending.differences]
    line = ""
    if again and not own_sync:
        again.unlink(missing_ok=True)
        if waiting:
            Pending(prefix, pending.synced_at, pending.looks, pending.tables, waiting).write(again)
            options = ["--config", str(config), "--to", without_password(database), "--project", project]
            options += ["--dataset", dataset, "--no-sync", "--again", str(again)]
            line = shlex.join(["source-amocrm", "verify", *options])
    for one in waiting:
        pending.tables[one.stream].waiting += 1
    for one in changing:
        pending.tables[one.stream].changing += 1
    tables = pending.tables | {name: Finding(failure=GONE) for name in gone if name not in pending.tables}
    assert synced_at
    found = Verification(datetime.now(timezone.utc), synced_at, len(requested), tables, again=line, notices=notices)
    if kept and not waiting:
        found.not_kept = keep(found, database, project, dataset)
    return found
