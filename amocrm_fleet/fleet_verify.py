"""Verifies several accounts, for the command line and for Dagster: each one's tables beside the account itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from amocrm_fleet.accounts_folder import FleetAccount
from amocrm_fleet.processes import ProcessEnd, UnderWay, call_each_in_turn
from amocrm_fleet.status import LastVerification, record_verification
from amocrm_warehouse.database_address import is_file
from amocrm_warehouse.live_line import Tell


@dataclass(frozen=True)
class Verifying:
    """The database and the budget of verifications. A call verifies one account; it runs in the account's process.

    `to`: the database's address; `{name}` in it becomes the account's name. `requests`: None for the command's default.
    `verifier`: the function that verifies (`module:name`).
    """

    to: str
    requests: int | None = None
    verifier: str = "amocrm_warehouse.verify.verify_command:verify"

    def __call__(self, account: FleetAccount, tell: Tell) -> LastVerification:
        from amocrm_fleet.account_process import verify

        return verify(account, self.to.replace("{name}", account.name), self.requests, self.verifier, tell)

    def verify_each(
        self,
        chosen: Iterable[FleetAccount],
        parallel: int = 1,
        watch: Callable[[Sequence[UnderWay]], None] = lambda _: None,
    ) -> Iterator[tuple[FleetAccount, LastVerification]]:
        """Verifies the accounts, records each result in the account's status, and yields both.

        An account that is being synced is tried again after the others; its status is not written if it stays so.
        """
        parallel = 1 if is_file(self.to) and "{name}" not in self.to else parallel
        for account, ended in call_each_in_turn(self, chosen, parallel, imported=(WORK,), watch=watch):
            found = _result(ended)
            if not ended.held and (reason := record_verification(account, found)):
                found.notices.append(reason)
            yield account, found


WORK = "amocrm_fleet.account_process"


def _result(ended: ProcessEnd) -> LastVerification:
    if isinstance(ended.result, LastVerification):
        return ended.result
    said = ended.held or ended.last_words or f"The verification ended with {ended.code} and said nothing."
    return LastVerification(2, said)
