"""One stream by itself, as whoever knows the CDK's `HttpStream` would read it."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import SyncMode

from sandbox import Account, Sandbox, Switches
from source_amocrm.account.resources import NOTES
from source_amocrm.source import SourceAmocrm
from source_amocrm.streams.base import AmocrmStream
from testing import comparison, expected
from testing.command import run
from testing.connector import catalog, config, without_sockets

TINY = Switches(page_max=3, page_default=3)


def streams(sandbox: Sandbox) -> dict[str, AmocrmStream]:
    return {one.name: one for one in SourceAmocrm().streams(config(sandbox)) if isinstance(one, AmocrmStream)}


@pytest.mark.parametrize("name", ["deals", "contacts", "deal_statuses", "messages", "pipelines", "tags", "note_types"])
def test_its_records_are_its_rows(name: str) -> None:
    account = Account.generate(seed=4, leads=60, switches=TINY)
    sandbox = Sandbox(account)
    with without_sockets(sandbox):
        rows: list[Any] = list(streams(sandbox)[name].read_records(SyncMode.full_refresh))
    wanted = [*expected.table(account, name), *expected.tombstones(account).get(name, ())]
    assert comparison.by_key(name, rows) == comparison.by_key(name, wanted)


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("read-")]


def test_a_sync_that_is_left_reads_no_further() -> None:
    """Whoever iterates over `read` may stop; the threads end, and none waits for room in the queue."""
    account = Account.generate(seed=4, leads=200, switches=TINY)
    sandbox = Sandbox(account)
    with without_sockets(sandbox):
        logger = logging.getLogger("airbyte")
        reading = iter(SourceAmocrm().read(logger, config(sandbox), catalog(["deals", "notes", "contacts", "users"])))
        while next(reading).record is None:
            assert len(readers()) <= 3 + len(NOTES)  # a list each: leads, contacts, users, and notes have four
        assert readers()
        reading.close()  # type: ignore[attr-defined]
        until = time.monotonic() + 600
        while readers() and time.monotonic() < until:
            time.sleep(0.01)
        assert readers() == []


def test_the_log_of_a_sync_has_one_line_a_stream(tmp_path: Path) -> None:
    account = Account.generate(seed=4, leads=30)
    told = run(Sandbox(account), "read", tmp_path, ["deals", "users"])
    log = [line for line in told.said.splitlines() if line and not line.startswith("{")]
    rows = {name: len(found) for name, found in told.rows().items()}
    assert sorted(log[:-1]) == [f"INFO deals: {rows['deals']} rows", f"INFO users: {rows['users']} rows"]
    assert log[-1].startswith(f"INFO Read {rows['deals'] + rows['users']} rows with ")
