"""One reading of each list for all streams that are made of it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from source_amocrm.account import Account
from source_amocrm.engine.fan_out import Sync
from source_amocrm.engine.read_plan import Progress
from testing.offline import stream

NOW = 1_700_000_000


@pytest.mark.parametrize("resumed", [False, True])
def test_events_are_prefetched_unless_the_sync_resumes_another(resumed: bool) -> None:
    """A resumed sync may be killed again, long before it needs them."""
    submitted: list[Callable[[], Any]] = []
    account = SimpleNamespace(
        clocks=SimpleNamespace(ours=lambda: NOW),
        config=SimpleNamespace(mark_deleted=True),
        listing=lambda *_: None,
        facts=dict,
        pool=SimpleNamespace(submit=submitted.append),
    )
    progress = Progress("deals", "updated_at", None, 300)
    if resumed:
        progress.begin(["leads"], NOW - 60)
    sync = Sync(cast(Account, account), {stream("deals"): progress})
    sync.start()
    assert submitted == [account.facts, *([] if resumed else [sync._event_log.events])]
