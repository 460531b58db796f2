"""The settings of the Dagster project: environment variables, which Dagster passes to every run."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from amocrm_fleet.accounts_folder import FleetAccount, accounts
from amocrm_fleet.fleet_publish import Publishing
from amocrm_fleet.fleet_sync import Syncing
from amocrm_fleet.fleet_verify import Verifying
from amocrm_warehouse.database_address import listed, remembered
from amocrm_warehouse.kept_options import AS_BEFORE, Kept


@dataclass(frozen=True)
class Settings:
    """Each field is named like its environment variable, in small letters.

    `db`: the database's address; `{name}` in it becomes the account's name. `kept`: KEEP_DELETED (yes or no), HISTORY
    and HISTORY_DAYS, which say what a sync keeps beside the present rows. `seconds`: time limit of a sync that has
    its own run; `brief`: time limit of a sync in a run of several accounts. `retries`: of a failed sync; after them it
    waits an hour. `retry_after`: wait before the first retry, doubled before each further one (seconds). `period`: time
    from one sync of an account to its next (minutes). `verify`: cron of the verification of all accounts. `publish_to`:
    the address of the warehouse into which the models are published, "" for none; `publish_only`: the tables. `alert`:
    command that gets failures and notices as JSON. `notify`: file of the recipients of the digest; without one, none is
    sent. `digest`: cron of the digest.
    """

    accounts: Path = Path("accounts")
    db: str = "duckdb:///amocrm-{name}.duckdb"
    streams: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    kept: Kept = AS_BEFORE
    seconds: float = 3600.0
    brief: float = 300.0
    retries: int = 2
    retry_after: float = 60.0
    period: int = 60
    verify: str = "0 3 * * 0"
    publish_to: str = ""
    publish_only: tuple[str, ...] = ()
    alert: tuple[str, ...] = ()
    notify: str = ""
    digest: str = "0 9 * * 1-5"
    dagster_home: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        variable = environment.get
        return cls(
            accounts=Path(variable("ACCOUNTS") or cls.accounts).absolute(),
            db=remembered(variable("DB") or cls.db),
            streams=tuple(listed(variable("STREAMS", ""))),
            without=tuple(listed(variable("WITHOUT", ""))),
            kept=Kept.of_environment(environment),
            seconds=float(variable("SECONDS") or cls.seconds),
            brief=float(variable("BRIEF") or cls.brief),
            retries=int(variable("RETRIES") or cls.retries),
            retry_after=float(variable("RETRY_AFTER") or cls.retry_after),
            period=int(variable("PERIOD") or cls.period),
            verify=variable("VERIFY") or cls.verify,
            publish_to=remembered(variable("PUBLISH_TO") or cls.publish_to),
            publish_only=tuple(listed(variable("PUBLISH_ONLY", ""))),
            alert=tuple(shlex.split(variable("ALERT") or "")),
            notify=variable("NOTIFY") or cls.notify,
            digest=variable("DIGEST") or cls.digest,
            dagster_home=variable("DAGSTER_HOME") or "",
        )

    @property
    def syncing(self) -> Syncing:
        return Syncing(self.db, self.streams, self.without, self.seconds, self.kept)

    @property
    def verifying(self) -> Verifying:
        return Verifying(self.db)

    @property
    def publishing(self) -> Publishing:
        return Publishing(self.db, self.publish_to, self.publish_only)

    @property
    def fleet(self) -> str:
        """The name under which every process of this Dagster locks the folder."""
        return f"Dagster of {self.dagster_home or 'no DAGSTER_HOME'} on {socket.gethostname()}"

    def chosen(self, names: list[str] | None = None) -> list[FleetAccount]:
        """Lists the folder's accounts, or only the named accounts. Raises FleetError."""
        return accounts(self.accounts, names)


def settings() -> Settings:
    return Settings.of(os.environ)
