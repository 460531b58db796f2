from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import requests_mock
from airbyte_cdk.models import FailureType

from source_amocrm.airbyte.check import POLICY
from source_amocrm.errors import (
    AmocrmError,
    Blocked,
    ConfigError,
    FeatureOff,
    Forbidden,
    Moved,
    NotFound,
    PageTooLarge,
    Throttled,
    Unauthorized,
    Unavailable,
)
from source_amocrm.http import Answer, Params
from source_amocrm.http.backoff import RetryPolicy
from testing.client_world import GATEWAY_TIMEOUT, HTML_403, HTML_502, LEADS, PAGE, UNAUTHORIZED, FakeAuth, World
from testing.http_tools import DATE, HOST, NOW


@pytest.fixture(autouse=True)
def _longest_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _, high: high)


def test_the_request_and_its_answer() -> None:
    world = World()
    world.answers(PAGE)
    answer = world.api.get("/api/v4/leads", {"limit": 250, "with": "contacts,loss_reason", "filter[id][]": [1, 2]})
    assert answer.body == {"_embedded": {"leads": [{"id": 1}]}}
    assert answer.server_time == NOW
    assert world.asked == [
        f"{LEADS}?limit=250&with=contacts%2Closs_reason&filter%5Bid%5D%5B%5D=1&filter%5Bid%5D%5B%5D=2"
    ]
    assert world.tokens == ["Bearer long-lived-token"]
    timeout: Any = world.adapter.request_history[0].timeout
    assert timeout == (10.0, 60.0)


def test_parameters_as_php_reads_them() -> None:
    params: Params = {
        "filter[updated_at][from]": 5,
        "order[updated_at]": "asc",
        "filter[type][]": ["a", "b"],
        "query": "Иван &",
    }
    world = World()
    world.answers(PAGE)
    world.api.get("/api/v4/leads", params)
    world.api.get("/api/v4/leads", {})
    assert world.asked == [
        f"{LEADS}?filter%5Bupdated_at%5D%5Bfrom%5D=5&order%5Bupdated_at%5D=asc&filter%5Btype%5D%5B%5D=a"
        "&filter%5Btype%5D%5B%5D=b&query=%D0%98%D0%B2%D0%B0%D0%BD+%26",
        LEADS,
    ]


def test_a_204_has_no_body() -> None:
    world = World()
    world.answers({"status_code": 204, "headers": {"Date": DATE}})
    assert world.api.get("/api/v4/leads") == Answer(None, NOW)
    assert world.asked == [LEADS]


def test_without_a_date_header_this_machine_s_clock_counts() -> None:
    world = World()
    world.answers({"json": PAGE["json"]})
    world.session.wall = lambda: NOW + 0.9
    assert world.api.get("/api/v4/leads").server_time == NOW


def test_a_passing_failure_is_retried() -> None:
    world = World()
    world.answers(HTML_502, {"text": ""}, {"text": '{"cut'}, {"exc": requests.ConnectionError("reset")}, PAGE)
    assert world.api.get("/api/v4/leads").body == PAGE["json"]
    assert world.naps == [1, 2, 4, 8]
    stats = world.api.stats
    assert (stats.requests, stats.throttled) == (5, 0)


def test_after_eight_attempts_the_request_fails() -> None:
    world = World()
    world.answers(HTML_502)
    with pytest.raises(Unavailable) as caught:
        world.api.get("/api/v4/leads")
    assert str(caught.value) == (
        "amoCRM failed at /api/v4/leads, again and again. Try again later; what a sync has read is kept."
    )
    assert (caught.value.failure_type, caught.value.status) == (FailureType.transient_error, 502)
    assert world.naps == [1, 2, 4, 8, 16, 32, 60]
    assert len(world.asked) > 4


def test_slow_failures_end_at_the_ceiling() -> None:
    world = World()

    def late(*_: Any) -> str:
        world.clock.sleep(60)
        raise requests.ReadTimeout

    world.answers({"text": late})
    with pytest.raises(Unavailable, match="did not finish its answer to /api/v4/leads in time"):
        world.api.get("/api/v4/leads")
    assert len(world.asked) == 3
    assert world.clock.now <= 190


@pytest.mark.parametrize(
    ("header", "nap"),
    [("20", 20), ("0.5", 1), ("Thu, 09 Oct 2025 08:53:50 GMT", 30), ("Thu, 09 Oct 2025 08:00:00 GMT", 1), ("soon", 1)],
)
def test_retry_after_of_an_overloaded_server(header: str, nap: float) -> None:
    world = World()
    world.answers({**HTML_502, "status_code": 503, "headers": {"Retry-After": header, "Date": DATE}}, PAGE)
    world.api.get("/api/v4/leads")
    assert world.naps == [nap]


def throttled(headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
    return {"status_code": 429, "json": {"title": "Too Many Requests", **body}, "headers": headers or {}}


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        (throttled({"Retry-After": "7"}), 7),
        (throttled({"Retry-After": "Thu, 09 Oct 2025 08:53:40 GMT", "Date": DATE}), 20),
        (throttled(retry_after=300), 300),
        (throttled({"Retry-After": "3"}, retry_after=300), 3),
        (throttled({"Retry-After": "-5"}), 1),
        (throttled(retry_after=True), 1),
        ({"status_code": 429, "text": "<html>429</html>"}, 1),
        ({"status_code": 429, "text": ""}, 1),
    ],
)
def test_a_429_pauses_every_request(response: dict[str, Any], seconds: float) -> None:
    world = World()
    world.answers(response, PAGE)
    assert world.api.get("/api/v4/leads").body == PAGE["json"]
    assert world.naps == []
    assert world.clock.now == pytest.approx(seconds)
    assert (world.api.stats.requests, world.api.stats.throttled) == (2, 1)


def test_repeated_429_without_retry_after_wait_longer_and_longer() -> None:
    world = World()
    world.answers(*[throttled()] * 9, PAGE)
    world.api.get("/api/v4/leads")
    assert world.clock.now == pytest.approx(1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 + 60)


def test_endless_429_fails_every_request() -> None:
    world = World()
    world.answers(throttled({"Retry-After": "300"}))
    with pytest.raises(Throttled, match="kept answering «too many requests» for 15 minutes") as caught:
        world.api.get("/api/v4/leads")
    assert caught.value.failure_type is FailureType.transient_error
    assert len(world.asked) == 4
    assert world.clock.now == pytest.approx(900)
    with pytest.raises(Throttled):
        world.api.get("/api/v4/contacts")
    assert len(world.asked) == 4


def throttled_while(happening: Callable[[], None], seconds: int) -> dict[str, Any]:
    def body(*_: Any) -> dict[str, Any]:
        happening()
        return {"title": "Too Many Requests"}

    return {"status_code": 429, "json": body, "headers": {"Retry-After": str(seconds)}}


def test_an_answer_to_a_request_sent_before_the_first_429_does_not_end_the_refusal() -> None:
    world = World()
    number = world.client.breaker.send()
    sent_before = throttled_while(lambda: world.client.breaker.answered(number), 300)
    world.answers(throttled({"Retry-After": "300"}), sent_before)
    for _ in range(2):
        with pytest.raises(Throttled):
            world.api.get("/api/v4/leads")
    assert len(world.asked) == 4


def test_an_answer_to_a_request_sent_later_ends_the_refusal() -> None:
    world = World()
    health = world.client.breaker
    world.answers(throttled({"Retry-After": "300"}), throttled_while(lambda: health.answered(health.send()), 300))
    for _ in range(2):
        with pytest.raises(Throttled):
            world.api.get("/api/v4/leads")
    assert len(world.asked) > 4


def test_a_request_that_waits_to_be_retried_fails_with_the_refusal_of_all() -> None:
    world = World()
    health = world.client.breaker
    world.answers(
        throttled_while(lambda: health.failed(ConfigError("Refused to all."), health.sent, refusal=True), 1), PAGE
    )
    with pytest.raises(ConfigError, match="Refused to all"):
        world.api.get("/api/v4/leads")
    assert len(world.asked) == 1


def test_a_429_that_demands_an_hour_fails_at_once() -> None:
    world = World()
    world.answers(throttled({"Retry-After": "3600"}))
    with pytest.raises(Throttled):
        world.api.get("/api/v4/leads")
    assert (len(world.asked), world.clock.now) == (1, 0)


def test_429s_do_not_use_up_the_attempts_for_failures() -> None:
    world = World()
    world.answers(*[throttled({"Retry-After": "200"})] * 3, *[HTML_502] * 7, PAGE)
    assert world.api.get("/api/v4/leads").body == PAGE["json"]


@pytest.mark.parametrize("failure", [GATEWAY_TIMEOUT, {"exc": requests.ReadTimeout}])
def test_two_timeouts_of_a_shrinkable_page_mean_that_it_is_too_large(failure: dict[str, Any]) -> None:
    world = World()
    world.answers(failure)
    with pytest.raises(PageTooLarge):
        world.api.get("/api/v4/leads", shrinkable=True)
    assert len(world.asked) == 2
    assert not world.client.breaker.outage


def test_one_timeout_of_a_shrinkable_page_is_retried() -> None:
    world = World()
    world.answers(GATEWAY_TIMEOUT, HTML_502, HTML_502, PAGE)
    assert world.api.get("/api/v4/leads", shrinkable=True).body == PAGE["json"]


def test_timeouts_of_any_other_page_are_retried() -> None:
    world = World()
    world.answers(*[GATEWAY_TIMEOUT] * 7, PAGE)
    assert world.api.get("/api/v4/leads").body == PAGE["json"]


@pytest.mark.parametrize(
    ("status", "error"), [(403, Forbidden), (404, NotFound), (422, FeatureOff), (301, Moved), (418, AmocrmError)]
)
def test_a_lasting_failure_fails_at_once_and_alone(status: int, error: type[AmocrmError]) -> None:
    world = World()
    world.answers(PAGE, url=f"{HOST}/api/v4/contacts")
    world.answers({"status_code": status, "json": {"title": "No", "detail": "no"}})
    with pytest.raises(error) as caught:
        world.api.get("/api/v4/leads")
    assert caught.value.status == status
    assert world.naps == []
    world.api.get("/api/v4/contacts")
    assert len(world.asked) == 2


def test_a_failure_without_an_answer_does_not_count_as_one() -> None:
    world = World()
    world.answers({"exc": requests.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed certificate"))})
    with pytest.raises(Unavailable, match="is not trusted"):
        world.api.get("/api/v4/leads")
    assert len(world.asked) == 1
    assert world.client.breaker.untried


def test_a_block_stops_every_request() -> None:
    world = World(FakeAuth())
    world.answers(HTML_403)
    for _ in range(3):
        with pytest.raises(Blocked) as caught:
            world.api.get("/api/v4/leads")
        assert "the subdomain example and the account ID 123" in str(caught.value)
        assert caught.value.failure_type is FailureType.config_error
    assert len(world.asked) == 1


def test_a_rejected_long_lived_token_fails_every_request() -> None:
    world = World()
    world.answers(UNAUTHORIZED)
    for _ in range(2):
        with pytest.raises(Unauthorized) as caught:
            world.api.get("/api/v4/leads")
        assert str(caught.value) == (
            "amoCRM does not accept the token at example.amocrm.ru (Invalid, Unauthorized): it was not copied "
            "whole, has expired or was revoked, the integration was switched off, or the token is another account's. "
            "Open the integration in "
            "amoCRM («amoМаркет» → your integration → «Ключи и доступы»), create a new long-lived token "
            "(«Сгенерировать долгосрочный токен») and paste it into the source's settings."
        )
    assert len(world.asked) == 1


def test_a_rejected_token_is_renewed_once_and_the_request_sent_again() -> None:
    world = World(FakeAuth(last=9))
    world.answers(UNAUTHORIZED, PAGE)
    assert world.api.get("/api/v4/leads").body == PAGE["json"]
    assert world.tokens == ["Bearer t0", "Bearer t1"]
    assert world.auth.renewals == ["t0"]


def test_a_renewed_token_that_is_rejected_is_not_renewed_again() -> None:
    world = World(FakeAuth(last=9))
    world.answers(UNAUTHORIZED)
    with pytest.raises(Unauthorized, match="Do this and that"):
        world.api.get("/api/v4/leads")
    with pytest.raises(Unauthorized):
        world.api.get("/api/v4/contacts")
    assert world.tokens == ["Bearer t0", "Bearer t1"]
    assert world.auth.renewals == ["t0"]


def test_a_token_that_has_worked_may_be_renewed_again() -> None:
    world = World(FakeAuth(last=9))
    world.answers(UNAUTHORIZED, UNAUTHORIZED, PAGE)
    world.client.accepted.add("t1")
    world.api.get("/api/v4/leads")
    assert world.tokens == ["Bearer t0", "Bearer t1", "Bearer t2"]


def test_no_endless_renewals() -> None:
    world = World(FakeAuth(last=99))
    world.answers(UNAUTHORIZED)
    world.client.accepted.update(f"t{n}" for n in range(99))
    with pytest.raises(Unauthorized):
        world.api.get("/api/v4/leads")
    assert world.tokens == [f"Bearer t{n}" for n in range(6)]


def test_a_token_renewed_by_another_thread_meanwhile_is_tried_without_a_renewal() -> None:
    auth = FakeAuth(last=9)
    world = World(auth)

    def overtaken(*_: Any) -> dict[str, Any]:
        auth.current += 1
        return {"title": "Unauthorized"}

    world.answers({"status_code": 401, "json": overtaken}, {"status_code": 401, "json": overtaken}, PAGE)
    world.api.get("/api/v4/leads")
    assert world.tokens == ["Bearer t0", "Bearer t1", "Bearer t2"]
    assert auth.renewals == []


@pytest.mark.parametrize("status", [301, 404])
def test_a_renamed_account_is_followed_at_the_first_request(status: int) -> None:
    world = World(FakeAuth(moves_to="renamed.amocrm.ru"))
    world.answers({"status_code": status, "text": ""})
    world.answers(PAGE, url="https://renamed.amocrm.ru/api/v4/leads")
    assert world.api.get("/api/v4/leads").body == PAGE["json"]
    assert world.asked == [LEADS, "https://renamed.amocrm.ru/api/v4/leads"]


def test_a_404_after_the_first_answer_does_not_look_for_a_renamed_account() -> None:
    world = World(FakeAuth(moves_to="renamed.amocrm.ru"))
    world.answers(PAGE, {"status_code": 404, "text": ""})
    world.api.get("/api/v4/leads")
    with pytest.raises(NotFound):
        world.api.get("/api/v4/leads")
    assert world.auth.base_url == HOST


def test_a_renamed_account_that_rejects_the_token_is_followed() -> None:
    world = World(FakeAuth(last=9, moves_to="renamed.amocrm.ru"))
    world.answers({"status_code": 401, "json": {"response": {"error_code": 101}}})
    world.answers(PAGE, url="https://renamed.amocrm.ru/api/v4/leads")
    assert world.api.get("/api/v4/leads").body == PAGE["json"]
    assert len(world.asked) == 3


def test_in_an_outage_each_request_has_one_attempt_until_one_succeeds() -> None:
    world = World()
    world.answers(*[HTML_502] * 10, PAGE, HTML_502, PAGE)
    for attempts in (8, 9, 10):
        with pytest.raises(Unavailable):
            world.api.get("/api/v4/leads")
        assert len(world.asked) == attempts
    world.api.get("/api/v4/leads")
    assert world.api.get("/api/v4/leads").body == PAGE["json"]
    assert len(world.asked) == 13


def test_in_an_outage_only_one_request_is_under_way() -> None:
    world = World()
    probing, told = threading.Event(), threading.Event()

    def hang(*_: Any) -> str:
        probing.set()
        assert told.wait(600)
        raise requests.ReadTimeout

    world.answers(*[HTML_502] * 8, {"text": hang})
    with pytest.raises(Unavailable):
        world.api.get("/api/v4/leads")
    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(world.api.get, "/api/v4/leads")
        assert probing.wait(600)
        with pytest.raises(Unavailable, match="amoCRM failed at /api/v4/leads"):
            world.api.get("/api/v4/leads")
        told.set()
        with pytest.raises(Unavailable, match="in time"):
            probe.result()
    assert len(world.asked) == 9


def test_one_bad_page_among_good_ones_is_no_outage() -> None:
    world = World()
    world.answers(PAGE, url=f"{HOST}/api/v4/contacts")

    def meanwhile(*_: Any) -> str:
        world.session.get(f"{HOST}/api/v4/contacts")
        world.client.breaker.answered(world.client.breaker.send())
        return "<html>"

    world.answers({"status_code": 502, "text": meanwhile})
    with pytest.raises(Unavailable):
        world.api.get("/api/v4/leads")
    assert not world.client.breaker.outage


def test_a_refusal_for_one_list_ends_an_outage() -> None:
    world = World()
    world.answers(*[HTML_502] * 8, {"status_code": 403, "json": {"title": "Forbidden"}})
    for error in (Unavailable, Forbidden):
        with pytest.raises(error):
            world.api.get("/api/v4/leads")
    assert not world.client.breaker.outage


def test_a_check_of_a_wrong_address_fails_soon() -> None:
    world = World(retry=POLICY)
    world.answers({"exc": requests.ConnectTimeout})
    with pytest.raises(Unavailable, match="does not accept connections"):
        world.api.get("/api/v4/leads")
    assert len(world.asked) == 3


UNKNOWN: dict[str, Any] = {"exc": requests.ConnectionError(socket.gaierror(-2, "Name or service not known"))}


def test_a_name_that_nobody_knows_ends_a_sync_within_seconds() -> None:
    world = World()
    world.answers(UNKNOWN)
    start = world.clock()
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"does not know the address \S+ \(DNS\)"):
            world.api.get("/api/v4/leads")
    assert world.clock() - start <= 3
    attempts = len(world.asked)
    with pytest.raises(Unavailable, match="DNS"):
        world.api.get("/api/v4/contacts")
    assert len(world.asked) == attempts


def test_a_name_that_was_known_has_all_attempts() -> None:
    world = World()
    world.answers(PAGE, *[UNKNOWN] * 7, PAGE)
    assert [world.api.get("/api/v4/leads").body for _ in range(2)] == [PAGE["json"]] * 2


@pytest.mark.parametrize(("before", "policy"), [([], None), ([PAGE], None), ([PAGE], POLICY)])
def test_a_lost_connection_has_all_attempts(before: list[dict[str, Any]], policy: RetryPolicy | None) -> None:
    """In a sync also before the first answer."""
    world = World(retry=policy)
    world.answers(*before, *[{"exc": requests.ConnectTimeout}] * 7, PAGE)
    answers = [world.api.get("/api/v4/leads").body for _ in (*before, PAGE)]
    assert answers == [PAGE["json"]] * len(answers)


def test_a_sign_in_that_fails_for_good_fails_every_request() -> None:
    auth = FakeAuth(failing=ConfigError("Grant access again."))
    world = World(auth)
    world.answers(PAGE)
    for _ in range(2):
        with pytest.raises(ConfigError, match="Grant access again"):
            world.api.get("/api/v4/leads")
        auth.failing = AmocrmError("must not be asked again")
    assert world.asked == []


def test_a_sign_in_that_fails_for_now_is_an_outage() -> None:
    auth = FakeAuth(failing=Unavailable("Later.", failure_type=FailureType.transient_error))
    world = World(auth)
    world.answers(PAGE)
    with pytest.raises(Unavailable):
        world.api.get("/api/v4/leads")
    assert world.client.breaker.outage
    auth.failing = None
    world.api.get("/api/v4/leads")
    assert not world.client.breaker.outage


def test_fifty_threads_meet_a_rejected_token() -> None:
    class Locked(FakeAuth):
        lock = threading.Lock()

        def renew(self, rejected: str) -> str | None:
            with self.lock:
                return super().renew(rejected)

    world = World(Locked(last=9))

    def page(request: requests.Request, context: Any) -> dict[str, Any]:
        context.status_code = 401 if request.headers["Authorization"] == "Bearer t0" else 200
        return {"page": request.url}

    world.adapter.register_uri("GET", requests_mock.ANY, json=page)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: world.api.get("/api/v4/leads", {"page": n}), range(200)))
    assert [answer.body for answer in answers] == [{"page": f"{LEADS}?page={n}"} for n in range(200)]
    assert world.auth.renewals == ["t0"]
