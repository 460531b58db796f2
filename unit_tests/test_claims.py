from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.auth.claims import Claims, check_account, check_domain, claims_of
from source_amocrm.errors import ConfigError
from testing.http_tools import jwt

SAMPLE = {
    "account_id": 34000000,
    "base_domain": "kommo.com",
    "api_domain": "api-c.kommo.com",
    "sub": "12500000",
    "exp": 1861920000,
    "scopes": ["push_notifications", "files", "crm", "files_delete", "notifications"],
}


def test_claims_of_a_real_token() -> None:
    assert claims_of(jwt(**SAMPLE)) == Claims(
        expires_at=1861920000,
        account_id=34000000,
        base_domain="kommo.com",
        api_domain="api-c.kommo.com",
        scopes=frozenset({"push_notifications", "files", "crm", "files_delete", "notifications"}),
    )


@pytest.mark.parametrize(
    ("claims", "read"),
    [
        ({}, Claims()),
        ({"exp": "1861920000", "account_id": "5"}, Claims(1861920000, 5)),
        ({"exp": 1861920000.7}, Claims(1861920000)),
        ({"exp": True, "account_id": []}, Claims()),
        ({"exp": -1, "account_id": 10**30}, Claims()),
        ({"base_domain": 5, "api_domain": "evil.com"}, Claims()),
        ({"api_domain": "amocrm.ru.evil.com"}, Claims()),
        ({"api_domain": "evil.com/.amocrm.ru"}, Claims()),
        ({"api_domain": "API-A.amocrm.ru"}, Claims(api_domain="api-a.amocrm.ru")),
        ({"scopes": ["crm", 5, None]}, Claims(scopes=frozenset({"crm"}))),
        ({"scopes": []}, Claims()),
        ({"scopes": "files"}, Claims()),
    ],
)
def test_claims_of_odd_tokens(claims: dict[str, Any], read: Claims) -> None:
    assert claims_of(jwt(**claims)) == read


@given(st.text() | st.lists(st.text(max_size=9), min_size=3, max_size=3).map(".".join))
def test_what_is_no_token_claims_nothing(text: str) -> None:
    assert claims_of(text) == Claims()


@pytest.mark.parametrize(
    ("issued", "domain"),
    [
        ("amocrm.ru", "example.amocrm.ru"),
        ("kommo.com", "example.kommo.com"),
        ("amocrm.com", "example.kommo.com"),
        ("kommo.com", "example.amocrm.com"),
        ("elsewhere.org", "example.amocrm.ru"),
        (None, "example.amocrm.ru"),
    ],
)
def test_the_token_s_service_is_the_account_s(issued: str | None, domain: str) -> None:
    check_domain(Claims(base_domain=issued), domain)


@pytest.mark.parametrize(("issued", "domain"), [("amocrm.ru", "example.kommo.com"), ("kommo.com", "example.amocrm.ru")])
def test_a_token_of_the_other_service(issued: str, domain: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_domain(Claims(base_domain=issued), domain)
    assert str(caught.value) == (
        f"The token is for an account at {issued}, but the account address (account_domain) is {domain}. Correct the "
        "address, or take the token from the integration in that account."
    )


def test_a_token_of_another_account() -> None:
    check_account(5, {"id": 5})
    check_account(None, {"id": 5})
    check_account(5, {})
    with pytest.raises(ConfigError) as caught:
        check_account(5, {"id": 6})
    assert str(caught.value) == (
        "The token is for the account 5, but the account address (account_domain) leads to the account 6. Correct the "
        "address, or take the token from the integration in that account."
    )
