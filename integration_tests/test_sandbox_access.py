"""Tokens, the consent page, limits and faults of the sandbox."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from .sandbox import Fault, Faults, Rate, RealClock, Switches
from .sandbox.limits import Limiter
from .sandbox.tokens import MARK
from .sandbox_client import Client, client

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


def test_seven_requests_in_any_second() -> None:
    now = 0.0
    limiter = Limiter(Rate(7), clock=lambda: now)
    accepted = []
    for step in range(40):
        now = step / 20
        if limiter.check() is None:
            accepted.append(now)
    assert len(accepted) == 14
    assert all(len([t for t in accepted if at - 1 < t <= at]) <= 7 for at in accepted)


@pytest.mark.parametrize(("form", "header", "body"), [("none", None, None), ("header", "3", None), ("body", None, 3)])
def test_forms_of_a_429(form: Any, header: str | None, body: int | None) -> None:
    api = client(rate=Rate(1, form=form, retry_after=3))
    assert api.get("account").status_code == 200
    refused = api.get("account")
    assert refused.status_code == 429
    assert refused.headers.get("retry-after") == header
    assert (refused.json()["retry_after"] if body else None) == body


def test_who_does_not_listen_is_blocked_until_support_helps() -> None:
    api = client(rate=Rate(1, block_after=3))
    statuses = [api.get("account").status_code for _ in range(6)]
    assert statuses == [200, 429, 429, 429, 403, 403]
    token = refresh(api, api.sandbox.tokens.grant()["refresh_token"])
    assert (token.status_code, token.headers["content-type"]) == (403, "text/html; charset=UTF-8")
    api.sandbox.limiter.unblock()
    assert api.get("account").status_code in (200, 429)


def test_faults_on_cue() -> None:
    faults = Faults(
        Fault("500", "/leads$", nth=(2,)),
        Fault("204", "/leads$", min_page=2, times=1),
        Fault("504", "/contacts", limit_over=100, withs_over=1),
        Fault("403_nginx", "/tasks", since=2),
    )
    api = client(faults=faults)
    assert [api.get("leads").status_code for _ in range(3)] == [200, 500, 200]
    assert [api.get("leads", {"page": 2}).status_code for _ in range(2)] == [204, 200]
    fat = {"limit": 250, "with": "leads,customers"}
    assert [api.get("contacts", {**fat, "limit": size}).status_code for size in (250, 100)] == [504, 200]
    assert [api.get("tasks").status_code for _ in range(3)] == [200, 403, 403]
    assert [kind for _, kind, _ in faults.fired] == ["500", "204", "504", "403_nginx", "403_nginx"]


def test_answers_that_lie() -> None:
    api = client()
    api.sandbox.faults.add(Fault("always_next", "/leads$", times=1))
    assert "next" in api.get("leads", {"page": 500}).json()["_links"]
    api.sandbox.faults.add(Fault("repeated_page", "/contacts$", times=1))
    assert api.rows("contacts", "contacts", {"page": 3}) == api.rows("contacts", "contacts", {"page": 1})
    api.sandbox.faults.add(Fault("ignored_filter", "/tasks$", times=1))
    assert api.rows("tasks", "tasks", {"filter[id]": 1})
    api.sandbox.faults.add(Fault("outside_window", "/companies$", times=1))
    assert api.rows("companies", "companies")[-1]["updated_at"] == 1_000_000_000
    api.sandbox.faults.add(Fault("truncated", "/users$", times=1))
    with pytest.raises(requests.JSONDecodeError):
        api.get("users").json()


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset_before", requests.ConnectionError),
        ("reset_after_headers", requests.exceptions.ChunkedEncodingError),
        ("short_body", requests.exceptions.ChunkedEncodingError),
        ("hang", requests.ReadTimeout),
    ],
)
def test_broken_wires_in_process(kind: str, error: type[Exception]) -> None:
    api = client(faults=Faults(Fault(kind, times=1)))
    with pytest.raises(error):
        api.get("leads")
    assert api.get("leads").status_code == 200


def test_a_storm_is_the_same_for_the_same_seed() -> None:
    def fired(seed: int) -> list[tuple[int, str, str]]:
        api = client(faults=Faults.storm(seed, share=0.05))
        for _ in range(100):
            try:
                api.get("leads", {"page": 2})
            except requests.RequestException:
                continue
        return api.sandbox.faults.fired

    assert fired(3) == fired(3) != fired(4)
    assert len(fired(3)) > 20


def test_the_date_header_is_the_accounts_clock() -> None:
    api = client()
    assert api.get("account").headers["date"] == "Thu, 09 Oct 2025 08:53:20 GMT"
    assert abs(RealClock(shift=100).time() - RealClock().time() - 100) < 1
