"""The token endpoint over HTTP: what is asked, and what each answer leads to."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from airbyte_cdk.models import FailureType

from source_amocrm import shutdown
from source_amocrm.auth import SignIn
from source_amocrm.auth.claims import Claims
from source_amocrm.auth.oauth import Grant
from source_amocrm.errors import AmocrmError, Blocked, Moved, NotFound, Throttled, Unauthorized, Unavailable
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.token_endpoint import HttpTokenEndpoint
from testing.http_tools import DATE, HOST, INTEGRATION, NOW, FakeClock, mocked

URL = f"{HOST}/oauth2/access_token"
PAIR = {
    "token_type": "Bearer",
    "expires_in": 86400,
    "server_time": NOW + 5,
    "access_token": "access-0001",
    "refresh_token": "refresh-0001",
}
REVOKED = {
    "status_code": 401,
    "json": {
        "hint": "Token has been revoked",
        "title": "Некорректный запрос",
        "type": "https://developers.amocrm.ru/v3/errors/OAuthProblemJson",
        "status": 401,
        "detail": "В запросе отсутствует ряд параметров или параметры невалидны",
    },
}
SPENT = (
    "amoCRM no longer accepts the refresh token (Token has been revoked, В запросе отсутствует ряд параметров или "
    "параметры невалидны, Некорректный запрос): it works once and for three months, and it is lost when something else "
    "uses it or the integration is switched off. Grant access again."
)
UNHEARD = (
    "The connection broke while the token was being exchanged, so amoCRM had most likely spent it, and its answer with "
    "the new one was lost on the way. "
)
KEYS = {
    "client_id": INTEGRATION["client_id"],
    "client_secret": "clientsecret-1111",
    "redirect_uri": "https://example.com/",
}
REFRESH = {**KEYS, "grant_type": "refresh_token", "refresh_token": "refresh-0000"}
HTML = {"text": "<html></html>"}


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        session, self.adapter = mocked(self.clock, RetryPolicy(), self.clock.sleep)
        self.endpoint = HttpTokenEndpoint(session)

    def answers(self, *responses: dict[str, Any]) -> None:
        self.adapter.register_uri("POST", URL, list(responses))

    def refresh(self, account_id: int | None = None) -> Grant:
        sign_in = SignIn(HOST, claims=Claims(account_id=account_id))
        sign_in.advice = "Grant access again."
        with shutdown.token_exchange():
            return self.endpoint.exchange(sign_in, REFRESH)

    def fails(self, error: type[AmocrmError]) -> AmocrmError:
        with pytest.raises(error) as caught:
            self.refresh()
        return caught.value

    @property
    def bodies(self) -> list[Any]:
        return [request.json() for request in self.adapter.request_history]


@pytest.fixture(autouse=True)
def _longest_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _, high: high)


def test_the_exchange_of_a_refresh_token() -> None:
    world = World()
    world.answers({"json": PAIR})
    assert world.refresh() == Grant("access-0001", "refresh-0001", 86400, NOW + 5)
    assert world.bodies == [
        {
            "client_id": INTEGRATION["client_id"],
            "client_secret": "clientsecret-1111",
            "grant_type": "refresh_token",
            "refresh_token": "refresh-0000",
            "redirect_uri": "https://example.com/",
        }
    ]
    (request,) = world.adapter.request_history
    assert request.headers["Content-Type"] == "application/json"
    assert "Authorization" not in request.headers


def test_the_exchange_of_a_code() -> None:
    world = World()
    world.answers({"json": PAIR})
    request = {**KEYS, "grant_type": "authorization_code", "code": "def502"}
    assert world.endpoint.exchange(SignIn(HOST), request).access_token == "access-0001"
    assert world.bodies == [
        {
            "client_id": INTEGRATION["client_id"],
            "client_secret": "clientsecret-1111",
            "grant_type": "authorization_code",
            "code": "def502",
            "redirect_uri": "https://example.com/",
        }
    ]


def test_a_refresh_token_that_was_sent_holds_the_end_of_the_process_and_a_code_does_not() -> None:
    """A person is there who can grant access again."""
    world = World()
    held: list[bool] = []

    def pair(*_: Any) -> dict[str, Any]:
        held.append(bool(shutdown._in_flight))
        return PAIR

    world.answers({"json": pair})
    world.endpoint.exchange(SignIn(HOST), {**KEYS, "grant_type": "authorization_code", "code": "def502"})
    world.refresh()
    assert (held, shutdown._in_flight) == ([False, True], set())


@pytest.mark.parametrize(
    ("body", "headers", "expires_in", "server_time"),
    [
        ({"server_time": None}, {"Date": DATE}, 86400, NOW),
        ({"server_time": "soon", "expires_in": "86400"}, {"Date": DATE}, 86400, NOW),
        ({"expires_in": 60}, {}, 60, NOW + 5),
        ({"expires_in": -1}, {}, 86400, NOW + 5),
    ],
)
def test_odd_times_have_defaults(
    body: dict[str, Any], headers: dict[str, str], expires_in: int, server_time: int
) -> None:
    world = World()
    world.answers({"json": {**PAIR, **body}, "headers": headers})
    assert world.refresh() == Grant("access-0001", "refresh-0001", expires_in, server_time)


def test_a_pair_is_not_shown() -> None:
    assert "0001" not in repr(Grant("access-0001", "refresh-0001", 1, 1))


def test_a_spent_refresh_token_is_not_retried() -> None:
    world = World()
    world.answers(REVOKED)
    error = world.fails(Unauthorized)
    assert str(error) == SPENT
    assert (error.failure_type, error.status) == (FailureType.config_error, 401)
    assert len(world.bodies) == 1


@pytest.mark.parametrize(
    "lost",
    [
        {"exc": requests.ConnectionError("reset")},
        {"exc": requests.ReadTimeout},
        {"status_code": 502, **HTML},
        {"status_code": 504, **HTML},
        HTML,
        {"text": ""},
        {"text": '{"access_token": "acc'},
        {"json": {"access_token": "access-0001"}},
        {"json": {"refresh_token": "refresh-0001"}},
        {"status_code": 204},
    ],
)
def test_a_lost_answer_is_requested_again_with_the_same_token(lost: dict[str, Any]) -> None:
    world = World()
    world.answers(lost, {"json": PAIR})
    assert world.refresh().refresh_token == "refresh-0001"
    assert [body["refresh_token"] for body in world.bodies] == ["refresh-0000", "refresh-0000"]

    world = World()
    world.answers(lost, REVOKED)
    assert str(world.fails(Unauthorized)) == UNHEARD + SPENT


@pytest.mark.parametrize("early", [{"exc": requests.ConnectTimeout}, {"status_code": 429, "text": ""}])
def test_an_attempt_that_never_reached_amocrm_raises_no_doubt(early: dict[str, Any]) -> None:
    world = World()
    world.answers(early, REVOKED)
    assert str(world.fails(Unauthorized)) == SPENT


def test_after_eight_attempts_the_exchange_fails() -> None:
    world = World()
    world.answers({"status_code": 503, **HTML})
    error = world.fails(Unavailable)
    assert str(error) == (
        "amoCRM failed at /oauth2/access_token, again and again. Try again later; what a sync has read is kept."
    )
    assert error.failure_type is FailureType.transient_error
    assert len(world.bodies) == 8
    assert world.clock.now == pytest.approx(123, abs=1)


def test_a_host_that_cannot_be_reached_has_all_attempts() -> None:
    """Nothing was sent, so that the token is not spent."""
    world = World()
    world.answers(*[{"exc": requests.ConnectTimeout}] * 7, {"json": PAIR})
    assert world.refresh().refresh_token == "refresh-0001"
    assert world.clock.now == pytest.approx(123, abs=1)

    world = World()
    world.answers({"exc": requests.ConnectTimeout})
    assert "does not accept connections" in str(world.fails(Unavailable))
    assert len(world.bodies) == 8


def test_a_429_pauses_every_request() -> None:
    world = World()
    world.answers({"status_code": 429, "text": "", "headers": {"Retry-After": "30"}}, {"json": PAIR})
    world.refresh()
    assert world.clock.now == pytest.approx(30)
    world.answers({"status_code": 429, "text": "", "headers": {"Retry-After": "9000"}})
    world.fails(Throttled)


def test_a_block_names_the_account_and_stops_every_request() -> None:
    world = World()
    world.answers({"status_code": 403, **HTML})
    with pytest.raises(Blocked, match="the subdomain example and the account ID 123"):
        world.refresh(account_id=123)
    world.fails(Blocked)
    assert len(world.bodies) == 1


@pytest.mark.parametrize(("status", "error"), [(301, Moved), (404, NotFound)])
def test_a_missing_account_is_not_retried(status: int, error: type[AmocrmError]) -> None:
    world = World()
    world.answers({"status_code": status, **HTML})
    world.fails(error)
    assert len(world.bodies) == 1


SUBDOMAIN = "https://api-b.amocrm.ru/oauth2/account/current/subdomain"


def test_the_present_address_of_an_account() -> None:
    world = World()
    found = {"id": 123456, "subdomain": "renamed", "domain": "Renamed.amocrm.ru", "top_level_domain": "ru"}
    world.adapter.register_uri("GET", SUBDOMAIN, json=found)
    assert world.endpoint.current_domain("api-b.amocrm.ru", "refresh-0000") == "renamed.amocrm.ru"
    (request,) = world.adapter.request_history
    assert request.headers["X-Refresh-Token"] == "refresh-0000"
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    "response",
    [
        {"status_code": 401, "json": {"domain": "renamed.amocrm.ru"}},
        {"json": {"domain": "renamed.evil.com"}},
        {"json": {"domain": 5}},
        {"json": {}},
        {"text": "<html>"},
        {"exc": requests.ConnectionError},
    ],
)
def test_an_address_that_cannot_be_learned_is_none(response: dict[str, Any]) -> None:
    world = World()
    world.adapter.register_uri("GET", SUBDOMAIN, [response])
    assert world.endpoint.current_domain("api-b.amocrm.ru", "refresh-0000") is None
