"""GET for everyone: paced, retried, with a token that is renewed when it must be."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
from airbyte_cdk.models import FailureType

from source_amocrm.auth.authenticator import Authenticator
from source_amocrm.config.settings import Config
from source_amocrm.errors import AmocrmError, TooFat
from source_amocrm.http.backoff import Patience, RetryPolicy
from source_amocrm.http.body import PAGE_ROOM, ROOM, Kind
from source_amocrm.http.connections import new_session
from source_amocrm.http.health import Health
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.rules import Action, Rule, Where
from source_amocrm.http.stats import Stats
from source_amocrm.http.transport import Reply, Transport
from source_amocrm.http.verdict import Place, explain, failed_early, judge, retry_after

Params = Mapping[str, int | str | Sequence[int | str]]

ACCOUNT_PATH = "/api/v4/account"

# Resends of one request under new tokens, however short their life is
_RENEWALS = 5
_PATIENT = RetryPolicy()
# Requests under way above rate × latency, so that a turn never waits for a request
_SPARE = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    body: dict[str, Any] | None  # None: nothing found (204)
    server_time: int  # unix seconds by the server's clock, by ours when it does not tell
    sent_at: int  # a second of that clock not later than the moment the answer shows
    drift: int = 0  # how far our clock is ahead of that one, where the two disagree


def encode(params: Params) -> str:
    """A query string as PHP reads it; a list repeats its name, which therefore ends with []."""
    return urlencode(params, doseq=True)


class Api:
    """Safe to share by any number of threads."""

    def __init__(
        self,
        config: Config,
        auth: Authenticator,
        budget: Budget,
        *,
        retry: RetryPolicy = _PATIENT,
        session: requests.Session | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.auth = auth
        self.where = Where.API
        self.budget = budget
        self.retry = retry
        self.transport = Transport(session or new_session(config.num_workers), budget, retry)
        self.clock = clock
        self.wall = wall
        self.sleep = sleep
        self.health = Health()
        self.stats = Stats()
        self.accepted: set[str] = set()  # tokens that amoCRM has taken

    def get(self, path: str, params: Params | None = None, *, shrinkable: bool = False) -> Answer:
        """The answer to `path` ("/api/v4/leads"), or an AmocrmError once it is certain.

        `shrinkable`: raise TooFat after two tries that took the server too long, or one answer that is too large to
        hold several of, so that the caller asks for less.
        """
        probe = self.health.enter()
        self.stats.asks(1)
        try:
            return _Request(self, path, encode(params or {}), probe=probe, shrinkable=shrinkable).run()
        finally:
            self.stats.asks(-1)
            self.health.leave(probe)

    def room(self) -> int:
        """How many more requests would have to be under way to use the budget up; below 0 when turns are awaited."""
        return math.ceil(self.budget.per_second * self.stats.latency + _SPARE) - self.stats.asking

    def place(self, path: str) -> Place:
        return Place(self.auth.domain, path, self.auth.advice, self.auth.account_id)


class _Request:
    """One GET with all its repetitions."""

    def __init__(self, api: Api, path: str, query: str, *, probe: bool, shrinkable: bool) -> None:
        self._api = api
        self._path = path
        self._target = f"{path}?{query}" if query else path
        self._probe = probe
        self._shrinkable = shrinkable
        self._patience = Patience(api.retry, api.clock)
        self._number = 0
        self._failed_at = api.health.sent
        self._fat = 0
        self._renewals = 0
        self._relocated = False

    def run(self) -> Answer:
        api, again = self._api, False
        while True:
            self._sign_in(api.auth.get_access_token)  # renews ahead of expiry, and before a turn is taken
            self._number = api.health.send()
            api.stats.sent(self._path)
            room = PAGE_ROOM if self._shrinkable else ROOM
            url = api.auth.base_url + self._target
            reply = api.transport.send("GET", url, token=lambda: api.auth.access_token, room=room)
            rule = judge(reply, api.where)
            if rule.action in (Action.OK, Action.EMPTY):
                api.health.answered(self._number)
                api.stats.took(reply.elapsed)
                api.accepted.add(reply.token or "")
                return _answer(reply)
            if not again:
                self._failed_at = api.health.sent
            self._overcome(rule, reply)
            again = True

    def _overcome(self, rule: Rule, reply: Reply) -> None:
        """Do what lets the request be sent again, or raise."""
        api = self._api
        if rule.action is Action.RETRY:
            self._wait_and_retry(rule, reply)
        elif rule.action is Action.PAUSE:
            self._wait_for_all(rule, reply)
        elif rule.action is Action.RENEW:
            self._renew(rule, reply)
        elif rule.action is Action.STOP:
            error = self._error(rule, reply)
            api.budget.shut(error)
            raise error
        elif not self._relocate_at_first(reply):
            if reply.status is not None:
                api.health.answered(self._number)  # a refusal for this list alone tells that all is well otherwise
            raise self._error(rule, reply)

    def _wait_and_retry(self, rule: Rule, reply: Reply) -> None:
        api, policy = self._api, self._api.retry
        if reply.status == 504 or reply.kind is Kind.READ_TIMEOUT:
            self._fat += 1
            if self._shrinkable and self._fat >= policy.fat_attempts:
                raise self._error(rule, reply, TooFat)
        attempts = policy.attempts
        if self._probe or api.health.outage:
            attempts = 1
        elif failed_early(reply) and api.health.untried:
            attempts = policy.cold_attempts
        delay = self._patience.pause_after_failure(retry_after(reply), attempts=attempts)
        if delay is None:
            error = self._error(rule, reply)
            api.health.gave_up(error, self._failed_at)
            raise error
        api.sleep(delay)

    def _wait_for_all(self, rule: Rule, reply: Reply) -> None:
        self._api.stats.refused()
        seconds = self._patience.pause_after_throttling(retry_after(reply))
        if seconds is None:
            error = self._error(rule, reply)
            self._api.health.refused(error, self._failed_at)
            raise error
        self._api.budget.pause(seconds)

    def _renew(self, rule: Rule, reply: Reply) -> None:
        auth, rejected = self._api.auth, reply.token or ""
        # a renewed token that has worked for nobody is not worth another renewal
        worthy = self._renewals == 0 or rejected in self._api.accepted or rejected != auth.access_token
        if worthy and self._renewals < _RENEWALS and self._sign_in(lambda: auth.renew(rejected)) is not None:
            self._renewals += 1
        elif not self._relocated and auth.relocate():
            self._relocated = True
        else:
            error = self._error(rule, reply)
            self._api.health.refused(error, self._failed_at)
            raise error

    def _sign_in(self, step: Callable[[], str | None]) -> str | None:
        """What fails here fails for everyone."""
        health = self._api.health
        try:
            return step()
        except AmocrmError as error:
            if error.failure_type is FailureType.transient_error:
                health.gave_up(error, self._failed_at)
            else:
                health.refused(error, self._failed_at)
            raise

    def _relocate_at_first(self, reply: Reply) -> bool:
        """A renamed account shows itself at the first request, as a redirect or as an unknown address."""
        moved = reply.status is not None and (300 <= reply.status < 400 or reply.status == 404)
        if not moved or self._relocated or not self._api.health.untried:
            return False
        self._relocated = self._api.auth.relocate()
        return self._relocated

    def _error(self, rule: Rule, reply: Reply, kind: type[AmocrmError] | None = None) -> AmocrmError:
        return explain(rule, reply, self._api.place(self._path), self._api.retry, kind)


def _answer(reply: Reply) -> Answer:
    server_time = reply.server_time
    if server_time is None:
        server_time = int(reply.received)
    return Answer(reply.body if reply.status != 204 else None, server_time, server_time - math.ceil(reply.elapsed) - 1)
