"""Our parts in the CDK's sockets: what its own classes get from the client, the session, the handler and the limit."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import requests
from airbyte_cdk.models import FailureType, SyncMode
from airbyte_cdk.sources.streams.call_rate import AbstractAPIBudget, LimiterSession
from airbyte_cdk.sources.streams.http import HttpStream
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from airbyte_cdk.sources.streams.http.http_client import HttpClient

from source_amocrm.errors import Forbidden, Throttled, Unavailable
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.reply import AmocrmResponse, reply_of
from testing.client_world import HTML_502, LEADS, PAGE, FakeAuth, World
from testing.http_tools import DATE, HOST

REFUSED = {"status_code": 403, "json": {"title": "Forbidden", "detail": "Иван Петров, +7 900 000-00-00"}}


class Leads(HttpStream):
    url_base = f"{HOST}/api/v4/"
    primary_key = "id"

    def path(self, **_: Any) -> str:
        return "leads"

    def next_page_token(self, response: requests.Response) -> Mapping[str, Any] | None:  # noqa: ARG002
        return None

    def request_params(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {"limit": 250, "filter[id][]": [1, 2]}

    def parse_response(self, response: requests.Response, **_: Any) -> Iterable[Mapping[str, Any]]:
        yield from response.json()["_embedded"]["leads"]


def leads(world: World) -> list[Any]:
    stream = Leads()
    stream._http_client = world.client
    return list(stream.read_records(SyncMode.full_refresh))


@pytest.fixture(autouse=True)
def _longest_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _, high: high)


def test_client_session_and_budget_are_the_cdk_s_own_types() -> None:
    world = World()
    assert isinstance(world.client, HttpClient)
    assert isinstance(world.session, LimiterSession)
    assert isinstance(world.session.budget, AbstractAPIBudget)
    assert world.session.budget.get_matching_policy(object()) is None


def test_a_stream_of_the_cdk_reads_through_the_client() -> None:
    world = World(FakeAuth(last=1))
    world.answers(HTML_502, {"status_code": 429}, {"status_code": 401}, PAGE)
    assert leads(world) == [{"id": 1}]
    assert world.asked == [f"{LEADS}?limit=250&filter%5Bid%5D%5B%5D=1&filter%5Bid%5D%5B%5D=2"] * 4
    assert world.tokens == ["Bearer t0", "Bearer t0", "Bearer t0", "Bearer t1"]
    assert world.client.stats.requests == 4


def test_a_stream_of_the_cdk_fails_in_our_words() -> None:
    world = World()
    world.answers(REFUSED)
    with pytest.raises(Forbidden, match="The token's user may not read /api/v4/leads"):
        leads(world)


def test_a_response_holds_values_and_neither_bytes_nor_a_token() -> None:
    world = World()
    world.answers(PAGE)
    request, response = world.client.send_request("GET", LEADS, {})
    assert isinstance(response, AmocrmResponse)
    assert response.json() is reply_of(response).body
    assert response.json() == PAGE["json"]
    assert (response.content, response.elapsed.total_seconds() > 0) == (b"", True)
    assert response.request is request
    assert "Authorization" not in request.headers
    assert world.tokens == ["Bearer long-lived-token"]


@pytest.mark.parametrize("answers", [[PAGE], [REFUSED], [{"exc": requests.ReadTimeout}, HTML_502, PAGE]])
def test_nothing_is_kept_of_a_request_that_is_over(answers: list[dict[str, Any]]) -> None:
    world = World()
    world.answers(*answers)
    try:
        world.api.get("/api/v4/leads")
    except Forbidden:
        assert answers == [REFUSED]
    assert (world.session.budget._slots, world.client._request_attempt_count) == ({}, {})


def test_a_turn_is_given_back_whatever_fails() -> None:
    world = World()

    def fail() -> str:
        raise Unavailable("Later.")

    request = world.session.prepare_request(requests.Request("GET", LEADS))
    with pytest.raises(Unavailable):
        world.session.send(request, bearer=fail)
    assert world.session.budget._slots == {}


def test_the_cdk_s_debug_lines_show_neither_tokens_nor_people(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.answers(PAGE, REFUSED)
    with caplog.at_level(logging.DEBUG, "airbyte"):
        world.api.get("/api/v4/leads")
        with pytest.raises(Forbidden):
            world.api.get("/api/v4/leads")
    assert [record.name for record in caplog.records if record.name.startswith("airbyte")] == []


def test_a_resolution_says_what_the_rule_says() -> None:
    world = World()
    world.answers({"status_code": 429}, {"exc": requests.ReadTimeout}, PAGE)
    seen = []
    for _ in range(3):
        request = world.session.prepare_request(requests.Request("GET", f"{LEADS}?page=1"))
        seen.append(world.client._error_handler.interpret_response(world.session.send(request)))
    limited, late, page = seen
    assert (limited.response_action, limited.failure_type, type(limited.error)) == (
        ResponseAction.RATE_LIMITED,
        FailureType.transient_error,
        Throttled,
    )
    assert late.response_action is ResponseAction.RETRY
    assert late.error_message == (
        "example.amocrm.ru did not finish its answer to /api/v4/leads in time, again and again. Try again later; what "
        "a sync has read is kept."
    )
    assert (page.response_action, page.error_message, page.error) == (ResponseAction.SUCCESS, None, None)


def test_a_response_of_another_session_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="Response did not come through an AmocrmSession"):
        World().client._error_handler.interpret_response(requests.Response())


def test_the_delay_is_the_retry_after_of_a_429_and_grows_after_failures() -> None:
    world = World()
    world.answers({"status_code": 429, "headers": {"Retry-After": "7", "Date": DATE}}, HTML_502)
    limited, failed = (world.session.get(LEADS) for _ in range(2))
    assert [RetryPolicy().backoff_time(answer, 3) for answer in (limited, failed)] == [7, 4]
    assert (world.client._max_retries, world.client._max_time) == (7, 150)
