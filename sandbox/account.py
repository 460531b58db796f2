"""One amoCRM account: generated, or read from a file."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

from .account_data import AccountData
from .clock import Clock
from .generate import populate
from .switches import Switches


class Account(AccountData):
    @classmethod
    def generate(
        cls,
        seed: int = 1,
        leads: int = 300,
        now: int | None = None,
        *,
        clock: Clock | None = None,
        switches: Switches | None = None,
        timezone: str = "Europe/Moscow",
        own_fields: int = 0,
    ) -> Account:
        """Generates an account with three years of history. The same arguments give the same account.

        `leads`: number of deals. `now`: unix seconds, by default the clock's; every row is at least an hour older.
        `own_fields`: further custom fields of every type for each kind of cards.
        """
        account = cls(clock=clock, switches=switches, seed=seed)
        account.timezone = timezone
        populate(account, random.Random(seed), leads, account.clock.now() if now is None else now, own_fields)
        return account

    @classmethod
    def load(cls, path: Path) -> Account:
        """Reads an account that `save` wrote. Unpickles: load only files that this program wrote."""
        account = cls()
        vars(account).update(pickle.loads(path.read_bytes()))
        return account
