"""Tokens and the consent page of the sandbox."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from sandbox import Switches
from sandbox.credentials import MARK
from testing.sandbox_client import Client, client

TOKEN_URL = "https://example.amocrm.ru/oauth2/access_token"
REVOKED = {
    "hint": "Token has been revoked",
    "title": "Некорректный запрос",
    "type": "https://developers.amocrm.ru/v3/errors/OAuthProblemJson",
    "status": 401,
    "detail": "В запросе отсутствует ряд параметров или параметры невалидны",
}
BAD_CLIENT = {
    "title": "Некорректный клиент",
    "type": "https://developers.amocrm.ru/v3/errors/OAuthProblemJson",
    "status": 401,
    "detail": "Авторизация клиента не прошла",
}


def keys_of(api: Client) -> dict[str, Any]:
    known = api.sandbox.tokens.client
    return {"client_id": known.client_id, "client_secret": known.client_secret, "redirect_uri": known.redirect_uri}


def refresh(api: Client, token: str, **other: Any) -> requests.Response:
    sent = {**keys_of(api), "grant_type": "refresh_token", "refresh_token": token, **other}
    return api.session.post(TOKEN_URL, json=sent, timeout=5)


def exchange(api: Client, code: str, **other: Any) -> requests.Response:
    sent = {**keys_of(api), "grant_type": "authorization_code", "code": code, **other}
    return api.session.post(TOKEN_URL, data=sent, timeout=5)


def test_a_refresh_token_works_once() -> None:
    api = client()
    first = api.sandbox.tokens.grant()
    second = refresh(api, first["refresh_token"]).json()
    assert set(second) == {"token_type", "expires_in", "server_time", "access_token", "refresh_token"}
    assert second["expires_in"] == 86_400
    again = refresh(api, first["refresh_token"])
    assert (again.status_code, again.json()) == (401, REVOKED)
    assert refresh(api, second["refresh_token"]).status_code == 200


@pytest.mark.parametrize("survives", [True, False])
def test_the_old_access_token_after_a_refresh(survives: bool) -> None:
    api = client(switches=Switches(old_access_survives_refresh=survives))
    pair = api.sandbox.tokens.grant()
    refresh(api, pair["refresh_token"])
    api.session.headers["Authorization"] = f"Bearer {pair['access_token']}"
    assert api.get("account").status_code == (200 if survives else 401)


@pytest.mark.parametrize("wrong", ["client_id", "client_secret", "redirect_uri"])
def test_a_wrong_client_is_told_so(wrong: str) -> None:
    api = client()
    answered = refresh(api, api.sandbox.tokens.grant()["refresh_token"], **{wrong: "other"})
    assert (answered.status_code, answered.json()) == (401, BAD_CLIENT)


def test_a_code_is_good_once_and_for_twenty_minutes() -> None:
    api = client()
    code = api.sandbox.tokens.code()
    assert exchange(api, code).status_code == 200
    assert exchange(api, code).json()["hint"] == "Authorization code has been revoked"
    late = api.sandbox.tokens.code()
    api.account.clock.advance(20 * 60)  # type: ignore[attr-defined]
    assert exchange(api, late).json()["hint"] == "Authorization code has expired"
    assert exchange(api, "other").status_code == 400


def test_tokens_expire_by_time_and_by_requests() -> None:
    api = client()
    api.sandbox.tokens.lifetimes.access_requests = 2
    pair = api.sandbox.tokens.grant()
    api.session.headers["Authorization"] = f"Bearer {pair['access_token']}"
    assert [api.get("account").status_code for _ in range(3)] == [200, 200, 401]
    api.session.headers["Authorization"] = f"Bearer {api.sandbox.tokens.long_lived(days=1)}"
    assert api.get("account").status_code == 200
    api.account.clock.advance(86_400)  # type: ignore[attr-defined]
    answered = api.get("account")
    assert (answered.status_code, answered.json()["detail"]) == (401, "Invalid user name or password")


def test_revoked_tokens_and_a_disabled_integration() -> None:
    api = client()
    pair = api.sandbox.tokens.grant()
    api.sandbox.tokens.revoke(pair["refresh_token"])
    assert refresh(api, pair["refresh_token"]).json() == REVOKED
    api.sandbox.tokens.client.enabled = False
    assert api.get("account").status_code == 401


def test_claims_of_an_access_token() -> None:
    api = client()
    token = api.sandbox.tokens.grant()["access_token"]
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    assert claims["account_id"] == api.account.id
    assert claims["exp"] - claims["iat"] == 86_400
    assert (claims["base_domain"], claims["api_domain"]) == ("amocrm.ru", "api-b.amocrm.ru")
    assert 900 < len(token) < 1_200


def test_every_secret_is_listed_and_recognisable() -> None:
    api = client()
    tokens = api.sandbox.tokens
    pair = tokens.grant()
    secrets = tokens.all_secrets()
    assert {pair["access_token"], pair["refresh_token"], tokens.code(), tokens.client.client_secret} <= set(
        tokens.all_secrets()
    )
    assert all(MARK in secret for secret in secrets)


def test_a_renamed_account_is_found_by_its_refresh_token() -> None:
    api = client()
    pair = api.sandbox.tokens.grant()
    api.account.subdomain = "renamed"
    headers = {"X-Refresh-Token": pair["refresh_token"]}
    answered = api.session.get("https://api-b.amocrm.ru/oauth2/account/current/subdomain", headers=headers, timeout=5)
    assert answered.json() == {
        "id": api.account.id,
        "subdomain": "renamed",
        "domain": "renamed.amocrm.ru",
        "top_level_domain": "ru",
    }


@pytest.mark.parametrize(("button", "answer"), [("allow", "code"), ("deny", "error")])
def test_consent_page_redirects_with_the_answer(button: str, answer: str) -> None:
    api = client()
    asked = {"client_id": api.sandbox.tokens.client.client_id, "state": "xyz", "mode": "popup"}
    page = api.session.get("https://www.amocrm.ru/oauth", params=asked, timeout=5).text
    href = page.split(f'id="{button}" href="')[1].split('"')[0].replace("&amp;", "&")
    sent = api.session.get(f"https://www.amocrm.ru{href}", allow_redirects=False, timeout=5)
    assert sent.status_code == 302
    given = {name: values[0] for name, values in parse_qs(urlsplit(sent.headers["location"]).query).items()}
    assert given["state"] == "xyz"
    assert answer in given
    if button == "allow":
        assert (given["referer"], given["platform"]) == ("example.amocrm.ru", "1")
        assert exchange(api, given["code"]).status_code == 200
    else:
        assert given["error"] == "access_denied"
