"""What the project is told by the environment, which Dagster hands on to every run."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from amocrm_fleet.folder import Account, accounts
from amocrm_fleet.syncing import Loader

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Settings:
    """`alert` is a command that is given a failure; `seconds` is how long one sync may take, `brief` how long beside
    others in one run, `wait` the seconds before the first retry, `period` the minutes from one sync of an account to
    its next."""

    folder: Path = ROOT / "accounts"
    database: str = str(ROOT / "amocrm-{name}.duckdb")
    streams: str = ""
    seconds: float = 3600.0
    brief: float = 300.0
    retries: int = 2
    period: int = 60
    wait: float = 60.0
    alert: tuple[str, ...] = ()
    home: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        given = environment.get
        return cls(
            folder=Path(given("ACCOUNTS") or cls.folder).absolute(),
            database=given("DB") or cls.database,
            streams=given("STREAMS") or "",
            seconds=float(given("SECONDS") or cls.seconds),
            brief=float(given("BRIEF") or cls.brief),
            retries=int(given("RETRIES") or cls.retries),
            period=int(given("PERIOD") or cls.period),
            wait=float(given("RETRY_AFTER") or cls.wait),
            alert=tuple(shlex.split(given("ALERT") or "")),
            home=given("DAGSTER_HOME") or "",
        )

    @property
    def loader(self) -> Loader:
        return Loader(self.database, self.streams, self.seconds)

    @property
    def fleet(self) -> str:
        """The name by which every process of this Dagster holds the folder."""
        return f"Dagster of {self.home or 'no DAGSTER_HOME'} on {socket.gethostname()}"

    def accounts(self) -> list[Account]:
        return accounts(self.folder)


def settings() -> Settings:
    return Settings.of(os.environ)
