"""Syncs into databases, in forked processes, and their end by SIGKILL."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from pathlib import Path

from .forked import Forked
from .schedules import FIFTEEN
from .warehouse import query

OF_FIFTEEN = ("--streams", ",".join(FIFTEEN))

OFTEN = {f"amocrm_warehouse.sync.load_queue.{name}": value for name, value in {"ROWS": 1_000, "SECONDS": 1.0}.items()}
"""Loads as often as a long sync does."""


def start(
    config: Path, database: str, project: str, *options: str, constants: Mapping[str, object] | None = None,
    **environment: str,
) -> Forked:  # fmt: skip
    arguments = ["sync", "--config", str(config), "--project", project, *options]
    return Forked(arguments, {"DB": database, **environment}, constants)


def eager(config: Path, database: str, project: str, **environment: str) -> Forked:
    """Starts a sync of the fifteen tables: each table costs time in each load."""
    return start(config, database, project, *OF_FIFTEEN, constants=OFTEN, **environment)


def kill(process: Forked, database: str) -> None:
    """Returns once the database is free: a server ends the session of a killed client when it has noticed.

    A process that ends by itself in this very moment was faster: its code says so.
    """
    process.send_signal(signal.SIGKILL, group=True)
    process.communicate()
    sessions = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 600
    while "://" in database and query(database, sessions) and time.monotonic() < deadline:
        time.sleep(0.05)
