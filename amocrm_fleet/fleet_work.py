"""What a fleet does to each of its accounts: in the account's own process, with the outcome kept in its status."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from amocrm_fleet.accounts_folder import FleetAccount
from amocrm_fleet.processes import ProcessEnd, UnderWay, call_each
from amocrm_warehouse.live_line import Tell

WORK = "amocrm_fleet.account_process"
"""The module of the account's process. The fork server imports it once."""
ROUNDS = 3
"""How often an account that another process holds is tried before the caller is told."""
Watch = Callable[[Sequence[UnderWay]], None]
Outcome = TypeVar("Outcome")


class Work(ABC, Generic[Outcome]):
    """One verb over several accounts, as a dataclass of its settings. A call does it to one account, and is pickled."""

    called: ClassVar[str]
    """The verb's noun, which sentences begin with: sync."""
    imported: ClassVar[tuple[str, ...]] = ()
    """Modules that the work imports late. The fork server imports them once, which saves each account the seconds."""
    rounds: ClassVar[int] = ROUNDS
    seconds: float | None = None

    @abstractmethod
    def __call__(self, account: FleetAccount, tell: Tell) -> Outcome:
        """Does the work, in the account's process."""

    @staticmethod
    @abstractmethod
    def function() -> Callable[..., Any]:
        """Returns the warehouse's function that does it. To import it takes seconds, so the account's process does."""

    @abstractmethod
    def failed(self, why: str) -> Outcome:
        """Returns the outcome of a process that ended without one."""

    @abstractmethod
    def recorded(self, account: FleetAccount, outcome: Outcome) -> Outcome:
        """Writes the outcome into the account's status. Returns it, with the sentence if it cannot be written."""

    def check(self) -> None:
        """Raises FleetError if no account can be worked on as the settings say."""

    def at_a_time(self, parallel: int) -> int:
        """Returns how many accounts can be worked on at a time, at most `parallel`."""
        return parallel

    def each(
        self, chosen: Iterable[FleetAccount], parallel: int = 1, watch: Watch = lambda _: None
    ) -> Iterator[tuple[FleetAccount, Outcome]]:
        """Works on the accounts, records each outcome as the account's status, and yields both in order of completion.

        An account that another process holds is tried again after the others. If it stays so, that is its outcome, and
        its status is not written. Raises FleetError as `check` does.
        """
        self.check()
        waiting, imported = list(chosen), (WORK, *self.imported)
        for left in reversed(range(self.rounds)):
            held = list[FleetAccount]()
            at_a_time = self.at_a_time(parallel)
            for account, ended in call_each(self, waiting, at_a_time, self.seconds, imported=imported, watch=watch):
                if ended.held and left:
                    held.append(account)
                elif ended.held:
                    yield account, self.failed(ended.held)
                else:
                    yield account, self.recorded(account, self._outcome(ended))
            waiting = held

    def _outcome(self, ended: ProcessEnd) -> Outcome:
        returned: Outcome | None = ended.result
        return self.failed(self.reason(ended)) if returned is None else returned

    def reason(self, ended: ProcessEnd) -> str:
        """Returns the sentence about a process that ended without an outcome."""
        return ended.last_words or f"The {self.called} ended with {ended.code} and said nothing."
