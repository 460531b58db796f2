"""What is asked of amoCRM's consent page, and which of its answers are believed."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.connect.connect_flow import Flow
from source_amocrm.connect.connect_words import Problem
from source_amocrm.connect.signin import Keys, code_of, consent_url, recognise
from testing.http_tools import jwt

STATE = "the-state"
DOMAIN = "example.amocrm.ru"
GOOD = {"code": "def502aa", "referer": DOMAIN, "state": STATE, "platform": "1", "client_id": "x"}
TOKEN = jwt(exp=4_000_000_000, account_id=1)


@pytest.mark.parametrize(
    ("domain", "page"),
    [
        ("example.amocrm.ru", "https://www.amocrm.ru/oauth"),
        ("example.kommo.com", "https://www.kommo.com/oauth"),
        ("example.amocrm.com", "https://www.kommo.com/oauth"),
    ],
)
def test_the_consent_page(domain: str, page: str) -> None:
    assert consent_url(domain, "a&b", "s s") == f"{page}?client_id=a%26b&state=s+s&mode=post_message"


def test_another_consent_page() -> None:
    asked = consent_url(DOMAIN, "id", "state", "http://127.0.0.1:1/oauth")
    assert asked == "http://127.0.0.1:1/oauth?client_id=id&state=state&mode=post_message"


def test_a_state_cannot_be_guessed(tmp_path: Path) -> None:
    keys = Keys("id", "secret", "https://example.com/")
    flow = Flow(tmp_path / "config.json", 8765, domain=DOMAIN, keys=keys)
    states = {parse_qs(flow.begin_consent())["state"][0] for _ in range(100)}
    assert len(states) == 100
    assert all(len(state) >= 43 for state in states)


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        ("def502aa", "def502aa"),
        ('  "def502aa"\n', "def502aa"),
        ("http://localhost:8765/callback?code=c&state=s", {"code": "c", "state": "s"}),
        (
            " https://example.com/?code=a%2Bb&referer=x.amocrm.ru#top ",
            {"code": "a+b", "referer": "x.amocrm.ru"},
        ),
        ("https://example.com/?co\nde=c", {"code": "c"}),
        ("?code=c&state=s", {"code": "c", "state": "s"}),
        ("error=access_denied", {"error": "access_denied"}),
        ("https://example.com/", {}),
        (TOKEN, TOKEN),
        (f"Bearer {TOKEN[:40]}\n{TOKEN[40:]}", TOKEN),
    ],
)
def test_what_was_pasted(pasted: str, meant: dict[str, str] | str) -> None:
    assert recognise(pasted) == meant


@pytest.mark.parametrize(
    ("pasted", "key"),
    [
        ("", "nothing_pasted"),
        (' "" ', "nothing_pasted"),
        ("two words", "not_a_code"),
        ("код", "not_a_code"),
        ("http://[", "not_a_code"),
        ("https://x/?" + "a=1&" * 60, "not_a_code"),
        ("eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9", "broken_token"),
        (jwt(exp=4_000_000_000)[:60], "broken_token"),
        (f"x{jwt(exp=4_000_000_000)}.y", "broken_token"),
    ],
)
def test_what_cannot_be_used(pasted: str, key: str) -> None:
    with pytest.raises(Problem) as caught:
        recognise(pasted)
    assert (caught.value.key, caught.value.at) == (key, "pasted")


@given(st.text())
def test_whatever_is_pasted(pasted: str) -> None:
    try:
        meant = recognise(pasted)
    except Problem:
        return
    assert not isinstance(meant, str) or (meant.isascii() and meant.isprintable())


def test_a_good_answer() -> None:
    assert code_of(GOOD, STATE, DOMAIN) == "def502aa"
    assert code_of({**GOOD, "referer": "Example.amoCRM.ru"}, STATE, DOMAIN) == "def502aa"
    without = {name: value for name, value in GOOD.items() if name != "referer"}
    assert code_of(without, STATE, DOMAIN) == "def502aa"


@pytest.mark.parametrize(
    ("changed", "key", "params"),
    [
        ({"state": "another"}, "wrong_state", {}),
        ({"state": ""}, "wrong_state", {}),
        ({"state": "ы"}, "wrong_state", {}),
        ({"referer": "other.amocrm.ru"}, "other_account", {"granted": "other.amocrm.ru", "domain": DOMAIN}),
        ({"referer": "example.kommo.com"}, "other_account", {"granted": "example.kommo.com", "domain": DOMAIN}),
        ({"referer": "evil.com"}, "foreign_referer", {}),
        ({"referer": "example.amocrm.ru.evil.com"}, "foreign_referer", {}),
        ({"referer": "evil.com/example.amocrm.ru"}, "foreign_referer", {}),
        ({"referer": "a@example.amocrm.ru"}, "foreign_referer", {}),
        ({"referer": "www.amocrm.ru"}, "foreign_referer", {}),
        ({"referer": ""}, "foreign_referer", {}),
        ({"code": ""}, "no_code", {}),
        ({"code": "a b"}, "no_code", {}),
        ({"error": "access_denied"}, "refused", {"domain": DOMAIN}),
        ({"error": "access_denied", "state": ""}, "unproven_refusal", {}),
        ({"error": "access_denied", "state": "another"}, "wrong_state", {}),
        ({"error": "<b>"}, "consent_failed", {"domain": DOMAIN}),
    ],
)
def test_a_bad_answer(changed: dict[str, str], key: str, params: dict[str, str]) -> None:
    with pytest.raises(Problem) as caught:
        code_of({**GOOD, **changed}, STATE, DOMAIN)
    assert (caught.value.key, caught.value.params, caught.value.detail) == (key, params, "")


def test_a_refusal_that_amocrm_or_anyone_may_have_sent() -> None:
    with pytest.raises(Problem) as caught:
        code_of({"error": "access_denied"}, STATE, DOMAIN)
    assert caught.value.key == "unproven_refusal"


def test_an_answer_to_no_question() -> None:
    with pytest.raises(Problem) as caught:
        code_of({**GOOD, "state": ""}, "", DOMAIN)
    assert caught.value.key == "wrong_state"
