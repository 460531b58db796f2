from __future__ import annotations

import pytest

from source_amocrm.auth.bearer import LongLivedTokenAuthenticator
from source_amocrm.config import LongLived
from source_amocrm.errors import ConfigError
from source_amocrm.http import open_api
from testing.http_tools import NOW, config, jwt, long_lived

DAY = 86400
ADVICE = (
    "Open the integration in amoCRM («amoМаркет» → your integration → «Ключи и доступы»), create a new long-lived "
    "token («Сгенерировать долгосрочный токен») and paste it into the source's settings."
)


def auth(token: str, **more: str) -> LongLivedTokenAuthenticator:
    parsed = config(long_lived(token, **more))
    assert isinstance(parsed.credentials, LongLived)
    return LongLivedTokenAuthenticator(parsed, parsed.credentials, clock=lambda: NOW)


def test_a_token_that_is_valid() -> None:
    token = jwt(exp=NOW + 1, account_id=123, base_domain="amocrm.ru")
    held = auth(token)
    assert held.get_access_token() == held.token == token
    assert held.renew(token) is None
    assert held.relocate() is False
    assert (held.claims.account_id, held.domain, held.base_url) == (
        123,
        "example.amocrm.ru",
        "https://example.amocrm.ru",
    )


def test_a_token_that_has_expired() -> None:
    with pytest.raises(ConfigError) as caught:
        auth(jwt(exp=NOW)).get_access_token()
    assert str(caught.value) == f"The long-lived token expired on 2025-10-09. {ADVICE}"


def test_a_token_that_does_not_tell_is_tried() -> None:
    held = auth("opaque-token")
    assert held.get_access_token() == "opaque-token"
    assert held.expiry_warning(NOW) is None


@pytest.mark.parametrize(
    ("left", "warns"), [(0, False), (1, True), (14 * DAY, True), (14 * DAY + 1, False), (365 * DAY, False)]
)
def test_the_warning_comes_within_two_weeks(left: int, warns: bool) -> None:
    warning = auth(jwt(exp=NOW + left)).expiry_warning(NOW)
    assert (warning is not None) is warns


def test_the_warning_names_the_day_and_the_way() -> None:
    assert auth(jwt(exp=NOW + DAY)).expiry_warning(NOW) == (
        f"The long-lived token expires on 2025-10-10; syncs will fail after that. {ADVICE}"
    )


def test_a_token_of_the_other_service_is_refused_unless_a_test_server_is_asked() -> None:
    token = jwt(base_domain="kommo.com")
    with pytest.raises(ConfigError, match=r"The token is for an account at kommo\.com"):
        auth(token)
    assert auth(token, api_base_url="http://127.0.0.1:8080").base_url == "http://127.0.0.1:8080"


def test_settings_with_a_long_lived_token_make_it(monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[str] = []
    monkeypatch.setattr("source_amocrm.auth.bearer.add_to_secrets", masked.append)
    raw = long_lived()
    made = open_api(config(raw), raw).auth
    assert isinstance(made, LongLivedTokenAuthenticator)
    assert masked == ["long-lived-token"]
