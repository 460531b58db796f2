"""A sync says that its account was renamed in amoCRM, and refuses tables that hold another account; what it logs."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any, cast

import pytest

from amocrm_warehouse.sync.account_sync import _check_account, _meet, _token_end
from amocrm_warehouse.sync.connector import LOGGER, _logs_go_to, renamed
from amocrm_warehouse.sync.loader import HeldAccount
from sandbox import Account, Tokens
from source_amocrm.errors import AmocrmError, ConfigError


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


def test_the_end_of_a_long_lived_token_is_kept() -> None:
    tokens = Tokens(Account(seed=1))
    ends = datetime.fromtimestamp(int(tokens.clock.now()) + 10 * 86_400, timezone.utc)

    def end(kind: str, token: str) -> datetime | None:
        return _token_end({"credentials": {"auth_type": kind, "access_token": token}})

    assert end("long_lived_token", tokens.long_lived(10)) == ends
    assert end("long_lived_token", "no JWT") is None
    assert end("oauth2.0", tokens.long_lived(10)) is None
    assert _token_end({}) is None


def test_a_new_address_is_told() -> None:
    before, after = {"account_domain": "north.amocrm.ru"}, {"account_domain": "south.amocrm.ru"}
    assert renamed(before, before) is None
    assert renamed(before, after) == (
        "The account north.amocrm.ru is now called south.amocrm.ru. Its config has the new address."
    )


@pytest.mark.parametrize(
    ("held", "own", "after"),
    [
        (None, 5, HeldAccount(5, "north")),
        (None, None, HeldAccount(None, "north")),
        (HeldAccount(None, "north"), 5, HeldAccount(5, "north")),
        (HeldAccount(5, "north"), 5, HeldAccount(5, "north")),
        (HeldAccount(5, "north"), None, HeldAccount(5, "north")),
        (HeldAccount(5, "old"), 5, HeldAccount(5, "north")),
    ],
)
def test_the_id_that_amocrm_says_is_kept(held: HeldAccount | None, own: int | None, after: HeldAccount) -> None:
    loader = cast("Any", _Loader(held))
    _meet(loader, {"account_domain": "north.amocrm.ru"}, _says(own))
    assert loader.account == after


def test_an_account_that_cannot_be_opened_gets_no_tables() -> None:
    refused = AmocrmError("No answer from north.amocrm.ru.")
    for held in (None, HeldAccount(5, "north")):
        loader = cast("Any", _Loader(held))
        with pytest.raises(AmocrmError) if held is None else nullcontext():
            _meet(loader, {"account_domain": "north.amocrm.ru"}, _fails(refused))
        assert loader.account == held


def _fails(error: Exception) -> Any:
    def facts() -> None:
        raise error

    return SimpleNamespace(facts=facts)


def test_an_account_that_has_the_subdomain_of_another_is_refused() -> None:
    loader = cast("Any", _Loader(HeldAccount(5, "north")))
    with pytest.raises(ConfigError) as caught:
        _meet(loader, {"account_domain": "north.amocrm.ru"}, _says(6))
    assert str(caught.value) == (
        "The tables amocrm_1_… in this database hold the account 5, and the config is of 6. Give each account its own "
        "--project, or its own database."
    )
    assert loader.account == HeldAccount(5, "north")


def _says(number: int | None) -> Any:
    return SimpleNamespace(facts=lambda: SimpleNamespace(id=number))


def test_what_threads_log_after_ctrl_c_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[str, str]] = []
    watch = cast("Any", SimpleNamespace(log=lambda *line: told.append(line)))
    try:
        with pytest.raises(KeyboardInterrupt):
            _interrupted_after("users: 7 rows", watch)
        LOGGER.info("customer_statuses: there are none in this account")
        assert (told, caplog.messages) == ([("INFO", "users: 7 rows")], [])
    finally:
        LOGGER.propagate = True
    with _logs_go_to(watch):
        pass
    LOGGER.warning("told as usual")
    assert caplog.messages == ["told as usual"]


def _interrupted_after(line: str, watch: Any) -> None:
    with _logs_go_to(watch):
        LOGGER.info(line)
        raise KeyboardInterrupt
