"""The settings of the Dagster project: environment variables, which Dagster hands on to every run."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from amocrm_fleet.folder import FleetAccount, accounts
from amocrm_fleet.syncing import Syncing
from amocrm_warehouse.address import listed


@dataclass(frozen=True)
class Settings:
    """Each field has the name of its variable in small letters.

    `db`: the database, `{name}` in it for the account's name. `seconds`: how long a sync may take in a run of its own,
    `brief` beside others in one run. `retries`: further tries of a failed sync before its next period, the first
    `retry_after` seconds after the failure and each further one after twice the time. `period`: minutes from one sync
    of an account to its next. `alert`: a command that gets a failure as JSON.
    """

    accounts: Path = Path("accounts")
    db: str = "duckdb:///amocrm-{name}.duckdb"
    streams: tuple[str, ...] = ()
    seconds: float = 3600.0
    brief: float = 300.0
    retries: int = 2
    retry_after: float = 60.0
    period: int = 60
    alert: tuple[str, ...] = ()
    dagster_home: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        given = environment.get
        return cls(
            accounts=Path(given("ACCOUNTS") or cls.accounts).absolute(),
            db=given("DB") or cls.db,
            streams=tuple(listed(given("STREAMS", ""))),
            seconds=float(given("SECONDS") or cls.seconds),
            brief=float(given("BRIEF") or cls.brief),
            retries=int(given("RETRIES") or cls.retries),
            retry_after=float(given("RETRY_AFTER") or cls.retry_after),
            period=int(given("PERIOD") or cls.period),
            alert=tuple(shlex.split(given("ALERT") or "")),
            dagster_home=given("DAGSTER_HOME") or "",
        )

    @property
    def syncing(self) -> Syncing:
        return Syncing(self.db, self.streams, self.seconds)

    @property
    def fleet(self) -> str:
        """The name by which every process of this Dagster holds the folder."""
        return f"Dagster of {self.dagster_home or 'no DAGSTER_HOME'} on {socket.gethostname()}"

    def chosen(self, names: list[str] | None = None) -> list[FleetAccount]:
        """The accounts of the folder, or those named. Raises FleetError."""
        return accounts(self.accounts, names)


def settings() -> Settings:
    return Settings.of(os.environ)
