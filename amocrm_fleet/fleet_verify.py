"""Verifies several accounts, for the command line and for Dagster: each one's tables beside the account itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amocrm_fleet.accounts_folder import FleetAccount
from amocrm_fleet.fleet_work import Work
from amocrm_fleet.status import LastVerification, record_verification
from amocrm_warehouse.database_address import is_file
from amocrm_warehouse.live_line import Tell


@dataclass(frozen=True)
class Verifying(Work[LastVerification]):
    """The database and the budget of verifications.

    `to`: the database's address; `{name}` in it becomes the account's name. `requests`: None for the command's default.
    """

    called = "verification"

    to: str
    requests: int | None = None

    def __call__(self, account: FleetAccount, tell: Tell) -> LastVerification:
        from amocrm_fleet.account_process import verify

        return verify(account, self.to.replace("{name}", account.name), self.requests, self.function(), tell)

    @staticmethod
    def function() -> Callable[..., Any]:
        from amocrm_warehouse.verify.verify_command import verify

        return verify

    def failed(self, why: str) -> LastVerification:
        return LastVerification(2, why)

    def recorded(self, account: FleetAccount, outcome: LastVerification) -> LastVerification:
        if reason := record_verification(account, outcome):
            outcome.notices.append(reason)
        return outcome

    def at_a_time(self, parallel: int) -> int:
        return 1 if is_file(self.to) and "{name}" not in self.to else parallel
