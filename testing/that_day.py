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
    account_sync: Any = import_module("amocrm_warehouse.sync.account_sync")
    verification: Any = import_module("amocrm_warehouse.verify.verification")
    session.__init__.__kwdefaults__["wall"] = CLOCK.time
    account_sync.datetime = verification.datetime = Today
    verification.sleep = CLOCK.advance  # its minutes pass for the account, and nobody waits
    time.time = CLOCK.time
    run()
