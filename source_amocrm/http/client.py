"""Sends a host's requests by the CDK's HTTP client, signs and retries them, and lets a failure stop the others."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NoReturn, Protocol
from urllib.parse import urlencode

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from airbyte_cdk.sources.streams.http.http_client import HttpClient

from source_amocrm.auth import SignIn
from source_amocrm.errors import AmocrmError, PageTooLarge, Unauthorized
from source_amocrm.http.circuit_breaker import CircuitBreaker
from source_amocrm.http.error_handler import AmocrmErrorHandler
from source_amocrm.http.refusals import API, Rule, Rules
from source_amocrm.http.reply import AmocrmResponse, Reply, reply_of
from source_amocrm.http.session import AmocrmSession

Params = Mapping[str, int | str | Sequence[int | str]]
"""The parameters of a query by name; the name of a list ends with []."""
Body = dict[str, Any] | None
Receive = Callable[[str, Body], Body]
"""Gets the path and the body of each response, in the thread of its request. Returns the body to use instead."""

_RENEWALS = 5  # renewals of the token for one request; past them a rejected token ends it


@dataclass(frozen=True, slots=True)
class Answer:
    body: Body  # None for a 204
    server_time: float  # when the server answered (Unix seconds, server clock; by our clock if no Date came)
    drift: int = 0  # by how much our clock is ahead of the server's (seconds); 0 while the two agree
    tick: float = 0.0  # when the answer came (seconds, monotonic clock)

    @property
    def earliest(self) -> float:
        """When the server answered, by the earlier of both clocks: a moment that has passed."""
        return self.server_time + min(0, self.drift)

    @property
    def latest(self) -> float:
        """When the server answered, by the later of both clocks: the body shows no later change."""
        return self.server_time + max(0, self.drift)


class Fetch(Protocol):
    """A GET of a path, such as /api/v4/leads. With `shrinkable` it raises PageTooLarge where smaller pages may work."""

    def __call__(self, path: str, params: Params = ..., *, shrinkable: bool = ...) -> Answer: ...


def query(params: Params) -> str:
    """The query as PHP reads it: a list repeats its name, which therefore ends with []."""
    return urlencode(params, doseq=True)


@dataclass(slots=True)
class Stats:
    """Counts of the requests to all hosts, changed under `lock`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    requests: int = 0
    throttled: int = 0  # answers 429


class Api(HttpClient):
    """The client of one host; all hosts share a session. Safe to share by any number of threads and streams.

    `send_request` returns an AmocrmResponse, or raises an AmocrmError when no attempt is left. `shrinkable` among its
    `request_kwargs`: the caller can request a smaller page. PageTooLarge is then raised after two attempts that took
    the server too long, or after one large answer.
    """

    _error_handler: AmocrmErrorHandler
    in_doubt = ""
    """The sentence before a refusal of the sign-in if an earlier attempt may have had its effect."""

    def __init__(self, session: AmocrmSession, sign_in: SignIn, receive: Receive = lambda _, body: body) -> None:
        super().__init__(
            "amocrm",
            logging.getLogger("airbyte"),
            error_handler=AmocrmErrorHandler(session.policy, sign_in, API),
            session=session,
            backoff_strategy=session.policy,
        )
        self.session = session
        self.budget, self.policy = session.budget, session.policy
        self.clock, self.wall, self.sleep = session.clock, session.wall, session.sleep
        self.auth, self.receive = sign_in, receive
        self.breaker = CircuitBreaker()
        self.stats = Stats()
        self.accepted: set[str] = set()  # tokens with which a request has succeeded

    def for_host(self, sign_in: SignIn, rules: Rules, breaker: CircuitBreaker) -> Api:
        """The same client for another host, with its own outages and refusals."""
        other = copy.copy(self)
        other.auth, other.breaker = sign_in, breaker
        other._error_handler = AmocrmErrorHandler(self.policy, sign_in, rules)
        return other

    def get(self, path: str, params: Params | None = None, *, shrinkable: bool = False) -> Answer:
        """The answer to `path` ("/api/v4/leads"). Raises AmocrmError; PageTooLarge only where `shrinkable`."""
        _, response = self.send_request("GET", self.url(path, params), {"shrinkable": shrinkable})
        reply = reply_of(response)
        return Answer(self.receive(path, reply.body if reply.status != 204 else None), reply.server_time)

    def url(self, path: str, params: Params | None) -> str:
        """The address with its query."""
        return f"{self.auth.base_url}{path}" + (f"?{query(params)}" if params else "")

    def _send_with_retry(
        self, request: requests.PreparedRequest, request_kwargs: Mapping[str, Any], *_: Any, **__: Any
    ) -> AmocrmResponse:
        """Sends the request until it succeeds, fails for good, or has no attempt left.

        Replaces the CDK's loop, which sleeps a second longer than the back-off says and waits for a rate limit in each
        thread by itself. The CDK's counts all failures under one ceiling and retries in an outage that another thread
        has met. It logs the bodies of refusals, with people's names. It renews a token only once for each request.
        """
        with self.breaker.request():
            return _Attempts(self, request, request_kwargs).response()


class _Attempts:
    """One request with all its attempts. Its failures and its 429s are counted apart."""

    def __init__(self, api: Api, request: requests.PreparedRequest, kwargs: Mapping[str, Any]) -> None:
        self.api = api
        self.request = request
        self.kwargs = {"bearer": lambda: api.auth.token, **kwargs}
        self.url, self.base_url = str(request.url), api.auth.base_url  # before the account was renamed
        self.until = api.clock() + api.policy.ceiling  # no attempt begins later; each pause moves it
        self.unknown_until = api.clock() + api.policy.unknown_host_ceiling  # no attempt at an unknown host begins later
        self.throttled_until = 0.0  # no pause ends later; 0 before the first 429
        self.failed_at = api.breaker.sent  # the last attempt of any request when this one began, or first failed
        self.number = 0  # of the last attempt
        self.failures = self.slow = self.throttled = self.renewals = 0
        self.doubtful = False  # whether a failed attempt may have had its effect

    def response(self) -> AmocrmResponse:
        api, breaker, stats = self.api, self.api.breaker, self.api.stats
        while True:
            # a token that is about to expire is renewed before the request waits for its turn
            self._sign_in(api.auth.get_access_token)
            self.request.url = self.url.replace(self.base_url, api.auth.base_url, 1)
            first, self.number = not self.number, breaker.send()
            with stats.lock:
                stats.requests += 1
            response = api.session.send(self.request, **self.kwargs)
            reply, resolution = response.reply, api._error_handler.interpret_response(response)
            if resolution.error is None:
                breaker.answered(self.number)
                api.accepted.add(reply.token)
                return response
            if self.doubtful and isinstance(resolution.error, Unauthorized):
                resolution.error.message = api.in_doubt + resolution.error.message
            self.doubtful |= resolution.rule.doubtful
            if first:
                self.failed_at = breaker.sent
            if resolution.rule.action is ResponseAction.RETRY:
                self._delay(response, resolution.rule, resolution.error)
            elif resolution.rule.action is ResponseAction.RATE_LIMITED:
                self._pause(response, resolution.error)
            else:
                self._renew_or_relocate(reply, resolution.rule, resolution.error)

    def _delay(self, response: AmocrmResponse, rule: Rule, error: AmocrmError) -> None:
        """Sleeps until the next attempt. Raises the error if no attempt is left."""
        api, breaker, policy = self.api, self.api.breaker, self.api.policy
        self.slow += rule.slow
        if rule.slow and self.kwargs.get("shrinkable") and self.slow >= policy.large_page_attempts:
            raise api._error_handler.error(replace(rule, error=PageTooLarge), response.reply)
        # the host has never answered, and this request did not arrive: the address is wrong rather than the host down
        cold = breaker.untried and response.reply.status is None and not rule.doubtful
        attempts = 1 if breaker.outage else policy.cold_attempts if cold else policy.attempts
        self.failures += 1
        delay = policy.backoff_time(response, self.failures)
        if cold and rule.stops and api.clock() + delay > self.unknown_until:
            api.budget.shut(error)
            raise error
        if self.failures >= attempts or api.clock() + delay > self.until:
            self._failed(error, refusal=False)
        api.sleep(delay)

    def _pause(self, response: AmocrmResponse, error: AmocrmError) -> None:
        """Pauses the requests of all threads. Raises the error if the pause would end after the ceiling."""
        api, now = self.api, self.api.clock()
        with api.stats.lock:
            api.stats.throttled += 1
        self.throttled_until = self.throttled_until or now + api.policy.throttled_ceiling
        self.throttled += 1
        seconds = api.policy.backoff_time(response, self.throttled)
        if now + seconds > self.throttled_until:
            self._failed(error, refusal=True)
        self.until += seconds
        api.budget.pause(seconds)

    def _renew_or_relocate(self, reply: Reply, rule: Rule, error: AmocrmError) -> None:
        """Renews the token, or finds the account's new address. Raises the error if neither changed anything."""
        api, auth, breaker, rejected = self.api, self.api.auth, self.api.breaker, reply.token
        renews = rule.action is ResponseAction.REFRESH_TOKEN_THEN_RETRY
        # a renewed token that has never worked is not renewed again
        renewable = not self.renewals or rejected in api.accepted or rejected != auth.token
        if renews and renewable and self.renewals < _RENEWALS and self._sign_in(partial(auth.renew, rejected)):
            self.renewals += 1
            return
        # a renamed account rejects the token, redirects the first request, or answers it with 404
        moved = renews or (breaker.untried and reply.status in (*range(300, 400), 404))
        if moved and auth.base_url == self.base_url and auth.relocate():
            return
        if renews:
            self._failed(error, refusal=True)
        if rule.stops:
            api.budget.shut(error)
        elif reply.status is not None:
            breaker.answered(self.number)  # a refusal of this list alone ends an outage
        raise error

    def _sign_in(self, step: Callable[[], str | None]) -> str | None:
        """Runs a step of the sign-in. Its failure fails every request."""
        try:
            return step()
        except AmocrmError as error:
            self._failed(error, refusal=error.failure_type is not FailureType.transient_error)

    def _failed(self, error: AmocrmError, *, refusal: bool) -> NoReturn:
        self.api.breaker.failed(error, self.failed_at, refusal=refusal)
        raise error
