"""A sync says that its account was renamed in amoCRM, and refuses tables that hold another account."""

from __future__ import annotations

from typing import Any, cast

import pytest

from amocrm_warehouse.sync.reading import renamed
from amocrm_warehouse.sync.syncing import _check_account
from integration_tests.sandbox import Account, Tokens


class _Loader:
    """The part of a Loader that `_check_account` uses; `row`: the row of the table `account`, if there is one."""

    prefix = "amocrm_1_"

    def __init__(self, *row: object) -> None:
        self._row = row

    def holds(self, stream: str) -> bool:
        return stream == "account" and bool(self._row)

    def query(self, _: str, **__: str) -> list[tuple[object, ...]]:
        return [self._row]


NUMBER = Account(seed=1).id


@pytest.mark.parametrize(
    ("row", "token", "other"),
    [
        ((), "", False),
        ((NUMBER, "north"), Tokens(Account(seed=2)).long_lived(), False),
        ((NUMBER, "old"), Tokens(Account(seed=1)).long_lived(), False),
        ((NUMBER, "old"), Tokens(Account(seed=2)).long_lived(), True),
        ((NUMBER, "old"), "no JWT", True),
        ((NUMBER, "old"), "", True),
    ],
)
def test_whose_tables_they_are(row: tuple[object, ...], token: str, other: bool) -> None:
    settings: dict[str, Any] = {"account_domain": "north.amocrm.ru", "credentials": {"access_token": token}}
    loader = cast("Any", _Loader(*row))
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
