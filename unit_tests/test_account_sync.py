"""A sync says that its account was renamed in amoCRM, and refuses tables that hold another account."""

from __future__ import annotations

from typing import Any, cast

import pytest

from amocrm_warehouse.sync.account_sync import _check_account
from amocrm_warehouse.sync.connector import renamed
from amocrm_warehouse.sync.loader import HeldAccount
from sandbox import Account, Tokens


class _Loader:
    """The part of a Loader that `_check_account` uses."""

    prefix = "amocrm_1_"

    def __init__(self, account: HeldAccount | None) -> None:
        self.account = account


NUMBER = Account(seed=1).id


@pytest.mark.parametrize(
    ("held", "token", "other"),
    [
        (None, "", False),
        (HeldAccount(NUMBER, "north"), Tokens(Account(seed=2)).long_lived(), False),
        (HeldAccount(NUMBER, "old"), Tokens(Account(seed=1)).long_lived(), False),
        (HeldAccount(NUMBER, "old"), Tokens(Account(seed=2)).long_lived(), True),
        (HeldAccount(NUMBER, "old"), "no JWT", True),
        (HeldAccount(NUMBER, "old"), "", True),
        (HeldAccount(None, "old"), "", True),
    ],
)
def test_whose_tables_they_are(held: HeldAccount | None, token: str, other: bool) -> None:
    settings: dict[str, Any] = {"account_domain": "north.amocrm.ru", "credentials": {"access_token": token}}
    loader = cast("Any", _Loader(held))
    if not other:
        _check_account(loader, settings)
        return
    with pytest.raises(ValueError, match="in this database hold the account old, and the config is of north"):
        _check_account(loader, settings)


def test_a_new_address_is_told() -> None:
    before, after = {"account_domain": "north.amocrm.ru"}, {"account_domain": "south.amocrm.ru"}
    assert renamed(before, before) is None
    assert renamed(before, after) == (
        "The account north.amocrm.ru is now called south.amocrm.ru. Its config has the new address."
    )
