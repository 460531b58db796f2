"""An account that was renamed in amoCRM is told, and its tables stay its own."""

from __future__ import annotations

from typing import Any, cast

import pytest

from demo.sync import another_account_in, renamed
from integration_tests.sandbox import Account, Tokens


class _Database:
    """What `another_account_in` asks a database: the row of the table `account`, if there is one."""

    table_prefix = "amocrm_1_"
    processor: Any

    def __init__(self, **row: object) -> None:
        self._row = row
        self.processor = self

    def _table_exists(self, name: str) -> bool:
        return name == "amocrm_1_account" and bool(self._row)

    def run_sql_query(self, _: str) -> list[dict[str, object]]:
        return [self._row]


NUMBER = Account(seed=1).id


@pytest.mark.parametrize(
    ("row", "token", "other"),
    [
        ({}, "", None),
        ({"account_id": NUMBER, "subdomain": "north"}, Tokens(Account(seed=2)).long_lived(), None),
        ({"account_id": NUMBER, "subdomain": "old"}, Tokens(Account(seed=1)).long_lived(), None),
        ({"account_id": NUMBER, "subdomain": "old"}, Tokens(Account(seed=2)).long_lived(), "old"),
        ({"account_id": NUMBER, "subdomain": "old"}, "no JWT", "old"),
        ({"account_id": NUMBER, "subdomain": "old"}, "", "old"),
    ],
)
def test_whose_tables_they_are(row: dict[str, object], token: str, other: str | None) -> None:
    settings = {"account_domain": "north.amocrm.ru", "credentials": {"access_token": token}}
    assert another_account_in(cast("Any", _Database(**row)), settings) == other


def test_a_new_address_is_told() -> None:
    before, after = {"account_domain": "north.amocrm.ru"}, {"account_domain": "south.amocrm.ru"}
    assert renamed(before, before) is None
    assert renamed(before, after) == (
        "The account north.amocrm.ru is now called south.amocrm.ru. Its config has the new address."
    )
