"""GET for everyone who reads a list, on the CDK's HTTP client: every request of the connector passes here."""

from __future__ import annotations

import copy
import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlencode

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from airbyte_cdk.sources.streams.http.http_client import HttpClient

from source_amocrm.auth import SignIn
from source_amocrm.errors import AmocrmError, PageTooLarge
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.circuit_breaker import CircuitBreaker
from source_amocrm.http.error_handler import AmocrmErrorHandler, path_of
from source_amocrm.http.refusals import Rule
from source_amocrm.http.reply import AmocrmResponse, NoAnswer, ReplyKind, reply_of
from source_amocrm.http.session import AmocrmSession

Params = Mapping[str, int | str | Sequence[int | str]]
"""A query by the names of its parameters; the name of a list ends with []."""
Body = dict[str, Any] | None
Receive = Callable[[str, Body], Body]
"""Gets each path that was asked for and the body that came, in whichever thread asked, and returns the body to use."""

_SMOOTH = 0.2  # weight of the newest answer in the mean latency
_SPARE = 1.0  # requests under way beyond rate × latency, so that a turn never waits for a request
_RENEWALS = 5  # times that one request is sent again under a new token, however short the tokens live
_EARLY = (ReplyKind.DNS, ReplyKind.REFUSED, ReplyKind.CONNECT_TIMEOUT, ReplyKind.TLS)
"""Failures that tell of a wrong address rather than of an outage, if nothing has been answered yet."""


@dataclass(frozen=True, slots=True)
class Answer:
    body: Body  # None where nothing was found (204)
    server_time: int  # when the server answered (Unix seconds, server clock; ours if it does not tell)
    sent_at: int  # a second not later than the moment that the answer shows (same clock)
    drift: int = 0  # by how much our clock is ahead of that one (seconds); 0 while the two agree
    tick: float = 0.0  # when the answer came (seconds, monotonic clock)


class Fetch(Protocol):
    """A GET of a path, such as /api/v4/leads. With `shrinkable` it raises PageTooLarge where fewer rows may come."""

    def __call__(self, path: str, params: Params = ..., *, shrinkable: bool = ...) -> Answer: ...


class Stats:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.by_path: Counter[str] = Counter()
        self.throttled = 0  # answers 429
        self.asking = 0  # callers that want an answer now
        self.latency = 0.0  # mean seconds of the last answers

    def count_caller(self, change: int) -> None:
        with self._lock:
            self.asking += change

    def note_latency(self, seconds: float) -> None:
        with self._lock:
            self.latency += (seconds - self.latency) * (_SMOOTH if self.latency else 1)

    def count_request(self, path: str) -> None:
        with self._lock:
            self.requests += 1
            self.by_path[path] += 1

    def count_refusal(self) -> None:
        with self._lock:
            self.throttled += 1


@dataclass(slots=True)
class _RetryState:
    """One request over all its attempts. Its failures and its 429s are counted apart."""

    base_url: str  # what its address begins with
    probe: bool
    shrinkable: bool
    started: float
    failed_at: int  # the number of the last request that was sent when this one began, or first failed
    number: int = 0  # of the last attempt
    failed: bool = False
    failures: int = 0
    slow: int = 0
    throttled: int = 0
    throttled_since: float = 0.0
    spent_throttled: float = 0.0
    renewals: int = 0
    relocated: bool = False


class Api(HttpClient):
    """One for each host, over one session; safe to share by any number of threads and streams.

    `send_request` returns an AmocrmResponse, or raises an AmocrmError once it is certain. `shrinkable` among its
    `request_kwargs` means that the caller can ask for less. PageTooLarge is then raised after two attempts that took
    the server too long, or after one large answer.
    """

    _error_handler: AmocrmErrorHandler
    wall: Callable[[], float] = time.time  # Unix seconds of this machine's clock
    receive: Receive = staticmethod(lambda _, body: body)

    def __init__(
        self,
        session: AmocrmSession,
        sign_in: SignIn,
        policy: RetryPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(
            "amocrm",
            logging.getLogger("airbyte"),
            error_handler=AmocrmErrorHandler(policy, sign_in),
            session=session,
            backoff_strategy=policy,
        )
        self.session = session
        self.budget = session.budget
        self.auth = sign_in
        self.policy = policy
        self.clock = clock
        self.sleep = sleep
        self.breaker = CircuitBreaker()
        self.stats = Stats()
        self.accepted: set[str] = set()  # tokens that amoCRM has taken

    def at(self, sign_in: SignIn, handler: AmocrmErrorHandler, breaker: CircuitBreaker) -> Api:
        """The same client for another host, with its own outages and refusals."""
        other = copy.copy(self)
        other.auth, other._error_handler, other.breaker = sign_in, handler, breaker
        return other

    def get(self, path: str, params: Params | None = None, *, shrinkable: bool = False) -> Answer:
        """The answer to `path` ("/api/v4/leads"). Raises AmocrmError; PageTooLarge only where `shrinkable`."""
        _, response = self.send_request("GET", self.url(path, params), {"shrinkable": shrinkable})
        reply = reply_of(response)
        server_time = int(reply.received) if reply.server_time is None else reply.server_time
        body = self.receive(path, reply.body if reply.status != 204 else None)
        return Answer(body, server_time, server_time - math.ceil(reply.elapsed) - 1)

    def url(self, path: str, params: Params | None) -> str:
        """The address with its query as PHP reads it: a list repeats its name, which therefore ends with []."""
        return f"{self.auth.base_url}{path}" + (f"?{urlencode(params, doseq=True)}" if params else "")

    def room(self) -> int:
        """How many more requests should be under way to use the rate limit up; negative if threads wait for turns."""
        return math.ceil(self.budget.per_second * self.stats.latency + _SPARE) - self.stats.asking

    def _send_with_retry(
        self, request: requests.PreparedRequest, request_kwargs: Mapping[str, Any], *_: Any, **__: Any
    ) -> AmocrmResponse:
        """Sends the request until it is certain what became of it.

        The CDK's loop sleeps a second longer than asked and waits for a rate limit in each thread by itself. It counts
        all failures under one ceiling, and goes on in an outage that another thread has met. It logs the bodies of
        refusals, which hold people's names. It renews a token once a request, even if each new one has worked.
        """
        shrinkable = bool(request_kwargs.get("shrinkable"))
        with self.breaker.request() as probe:
            self.stats.count_caller(1)
            try:
                state = _RetryState(self.auth.base_url, probe, shrinkable, self.clock(), self.breaker.sent)
                while True:
                    self._prepare(request, state)
                    try:
                        response = self.session.send(request, **{"bearer": lambda: self.auth.token, **request_kwargs})
                    except NoAnswer as failed:
                        seconds = self._until_next(failed, state)
                    else:
                        if (seconds := self._until_next(response, state)) is None:
                            return response
                    if seconds:
                        self.sleep(seconds)
            finally:
                self.stats.count_caller(-1)

    def _prepare(self, request: requests.PreparedRequest, state: _RetryState) -> None:
        """Renews the token ahead of its expiry and before a turn is taken, and follows a renamed account."""
        self._signed_in(self.auth.get_access_token, state)
        base_url = self.auth.base_url
        if base_url != state.base_url:
            request.url = str(request.url).replace(state.base_url, base_url, 1)
            state.base_url = base_url
        state.number = self.breaker.send()
        self.stats.count_request(path_of(str(request.url), base_url))

    def _until_next(self, answer: AmocrmResponse | NoAnswer, state: _RetryState) -> float | None:
        """Seconds until the next attempt, which it prepares; None after a success. Raises the error of the last one."""
        resolution, reply = self._error_handler.interpret_response(answer), answer.reply
        rule, error = resolution.rule, resolution.error
        if error is None:
            self.breaker.answered(state.number)
            self.stats.note_latency(reply.elapsed)
            self.accepted.add(reply.token or "")
            return None
        if not state.failed:
            state.failed, state.failed_at = True, self.breaker.sent
        if rule.action is ResponseAction.RETRY:
            return self._delay(state, rule, error, answer)
        if rule.action is ResponseAction.RATE_LIMITED:
            return self._pause(state, error, answer)
        renews = rule.action is ResponseAction.REFRESH_TOKEN_THEN_RETRY
        # a renamed account takes no token, redirects the first request, or does not know its address
        moved = renews or (self.breaker.untried and reply.status in (*range(300, 400), 404))
        if renews and self._renewed(state, reply.token or ""):
            state.renewals += 1
        elif moved and not state.relocated and self.auth.relocate():
            state.relocated = True
        else:
            if renews:
                self.breaker.failed(error, state.failed_at, refusal=True)
            elif rule.stops:
                self.budget.shut(error)
            elif reply.status is not None:
                self.breaker.answered(state.number)  # a refusal for this list alone tells that all is well otherwise
            raise error
        return 0.0

    def _delay(self, state: _RetryState, rule: Rule, error: AmocrmError, answer: AmocrmResponse | NoAnswer) -> float:
        """Seconds until the next attempt. Raises the error if there is none."""
        reply = answer.reply
        state.slow += rule.slow
        if rule.slow and state.shrinkable and state.slow >= self.policy.large_page_attempts:
            raise self._error_handler.error(rule, reply, PageTooLarge)
        attempts = self._max_retries + 1
        if state.probe or self.breaker.outage:
            attempts = 1
        elif reply.kind in _EARLY and self.breaker.untried:
            attempts = self.policy.cold_attempts
        state.failures += 1
        delay = self.policy.backoff_time(answer, state.failures)
        spent = self.clock() - state.started - state.spent_throttled
        if state.failures >= attempts or spent + delay > self.policy.ceiling:
            self.breaker.failed(error, state.failed_at, refusal=False)
            raise error
        return delay

    def _pause(self, state: _RetryState, error: AmocrmError, answer: AmocrmResponse | NoAnswer) -> float:
        """Makes all threads wait, this one for its next turn. Raises the error if that would take too long."""
        self.stats.count_refusal()
        now = self.clock()
        if not state.throttled:
            state.throttled_since = now
        state.throttled += 1
        seconds = self.policy.backoff_time(answer, state.throttled)
        state.spent_throttled = now - state.throttled_since + seconds
        if state.spent_throttled > self.policy.throttled_ceiling:
            self.breaker.failed(error, state.failed_at, refusal=True)
            raise error
        self.budget.pause(seconds)
        return 0.0

    def _renewed(self, state: _RetryState, rejected: str) -> bool:
        """Whether there is a newer token to try."""
        # a renewed token that has worked for nobody is not worth another renewal
        worthy = state.renewals == 0 or rejected in self.accepted or rejected != self.auth.token
        renew = partial(self.auth.renew, rejected)
        return worthy and state.renewals < _RENEWALS and bool(self._signed_in(renew, state))

    def _signed_in(self, step: Callable[[], str | None], state: _RetryState) -> str | None:
        """Runs a step of the sign-in, whose failure concerns every request."""
        try:
            return step()
        except AmocrmError as error:
            refusal = error.failure_type is not FailureType.transient_error
            self.breaker.failed(error, state.failed_at, refusal=refusal)
            raise
