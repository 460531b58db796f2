"""Publishes several accounts, for the command line and for Dagster: each one's marts into a warehouse or a lake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from amocrm_fleet import FleetError
from amocrm_fleet.accounts_folder import FleetAccount
from amocrm_fleet.fleet_sync import WORK, Watch
from amocrm_fleet.processes import ProcessEnd, call_each_in_turn
from amocrm_fleet.status import LastPublication, record_publication
from amocrm_warehouse.database_address import without_password
from amocrm_warehouse.live_line import Tell


@dataclass(frozen=True)
class Publishing:
    """The database, the warehouse and the tables of publications. A call publishes one account, in its own process.

    `source`: the address of the database in which the models are built; `{name}` in it becomes the account's name.
    `to`: of the warehouse, all accounts in one. `only`: as in `source-amocrm publish --only`, empty for the marts.
    `publisher`: the function that publishes (`module:name`).
    """

    source: str
    to: str
    only: tuple[str, ...] = ()
    publisher: str = "amocrm_warehouse.publish.publish_command:publish"

    def __call__(self, account: FleetAccount, tell: Tell) -> LastPublication:
        from amocrm_fleet.account_process import publish

        return publish(account, self.source.replace("{name}", account.name), self.to, self.only, self.publisher, tell)

    @property
    def place(self) -> str:
        """The warehouse's address without its password."""
        return without_password(self.to)

    def publish_each(
        self, chosen: Iterable[FleetAccount], parallel: int = 1, watch: Watch = lambda _: None
    ) -> Iterator[tuple[FleetAccount, LastPublication]]:
        """Publishes the accounts, records each outcome in the account's status, and yields both.

        An account that is being synced is tried again after the others; its status is not written if it stays so.
        Raises FleetError if no warehouse is named.
        """
        if not self.to:
            raise FleetError(
                "Name the warehouse: --to postgresql://user@host:port/name, or PUBLISH_TO in the environment."
            )
        imported = (WORK, self.publisher.partition(":")[0], *IMPORTED)
        for account, ended in call_each_in_turn(self, chosen, parallel, imported=imported, watch=watch):
            done = _outcome(ended)
            if not ended.held and (reason := record_publication(account, done)):
                done = replace(done, failure=done.failure or reason)
            yield account, done


IMPORTED = ("amocrm_warehouse.publish.sql_warehouse", "amocrm_warehouse.publish.parquet_lake")
"""Modules that a publication imports late. The fork server imports them once."""


def _outcome(ended: ProcessEnd) -> LastPublication:
    if isinstance(ended.result, LastPublication):
        return ended.result
    said = ended.held or ended.last_words or f"The publication ended with {ended.code} and said nothing."
    return LastPublication(failure=said)
