"""Runs `source-amocrm` on another day: its process takes the time of day from an account's clock."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from importlib import import_module
from typing import Any

from sandbox import MovedClock
from source_amocrm.run import run

CLOCK = MovedClock()
"""The account's. `forked` puts another in its place: the machine's monotonic clock is the same in every process."""


class Today:
    """What `datetime` is in a module that asks it for the time."""

    fromtimestamp = staticmethod(datetime.fromtimestamp)

    @staticmethod
    def now(zone: timezone) -> datetime:
        return datetime.fromtimestamp(CLOCK.time(), zone)


def run_that_day() -> None:
    session: Any = import_module("source_amocrm.http.session").AmocrmSession
    session.__init__.__kwdefaults__["wall"] = CLOCK.time
    for module in ("amocrm_warehouse.sync.account_sync", "amocrm_warehouse.verify.verification"):
        import_module(module).datetime = Today  # type: ignore[attr-defined]
    time.time = CLOCK.time
    run()
