"""Publishes several accounts, for the command line and for Dagster: each one's marts into a warehouse or a lake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from amocrm_fleet import FleetError
from amocrm_fleet.accounts_folder import FleetAccount
from amocrm_fleet.fleet_work import Work
from amocrm_fleet.status import LastPublication, record_publication
from amocrm_warehouse.database_address import without_password
from amocrm_warehouse.live_line import Tell


@dataclass(frozen=True)
class Publishing(Work[LastPublication]):
    """The database, the warehouse and the tables of publications.

    `source`: the address of the database in which the models are built; `{name}` in it becomes the account's name.
    `to`: of the warehouse, all accounts in one. `only`: as in `source-amocrm publish --only`, empty for the marts.
    """

    called = "publication"
    imported: ClassVar[tuple[str, ...]] = (
        "amocrm_warehouse.publish.sql_warehouse",
        "amocrm_warehouse.publish.parquet_lake",
    )

    source: str
    to: str
    only: tuple[str, ...] = ()

    def __call__(self, account: FleetAccount, tell: Tell) -> LastPublication:
        from amocrm_fleet.account_process import publish

        return publish(account, self.source.replace("{name}", account.name), self.to, self.only, self.function(), tell)

    @staticmethod
    def function() -> Callable[..., Any]:
        from amocrm_warehouse.publish.publish_command import publish

        return publish

    @property
    def place(self) -> str:
        """The warehouse's address without its password."""
        return without_password(self.to)

    def check(self) -> None:
        """Raises FleetError if no warehouse is named."""
        if not self.to:
            raise FleetError(
                "Name the warehouse: --to postgresql://user@host:port/name, or PUBLISH_TO in the environment."
            )

    def failed(self, why: str) -> LastPublication:
        return LastPublication(failure=why)

    def recorded(self, account: FleetAccount, outcome: LastPublication) -> LastPublication:
        reason = record_publication(account, outcome)
        return replace(outcome, failure=outcome.failure or reason) if reason else outcome
