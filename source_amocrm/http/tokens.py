"""The token endpoint: paced and retried as everything else, and never repeated blindly."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from source_amocrm.auth.oauth import TOKEN_PATH, Grant
from source_amocrm.config.hosts import is_account_host
from source_amocrm.errors import AmocrmError, Unauthorized
from source_amocrm.http.backoff import Patience, RetryPolicy
from source_amocrm.http.body import Kind
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.rules import Action, Where
from source_amocrm.http.transport import Reply, Transport
from source_amocrm.http.verdict import Place, explain, failed_early, judge, retry_after

SUBDOMAIN_PATH = "/oauth2/account/current/subdomain"

_DAY = 86400
_SPENT_UNHEARD = (
    "The connection broke while the token was being exchanged, so amoCRM had most likely spent it, and its answer "
    "with the new one was lost on the way. "
)


class HttpTokenEndpoint:
    def __init__(
        self,
        transport: Transport,
        budget: Budget,
        retry: RetryPolicy,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._budget = budget
        self._retry = retry
        self._clock = clock
        self._sleep = sleep
        self._answered = False

    def exchange(
        self, base_url: str, request: Mapping[str, Any], *, advice: str = "", account_id: int | None = None
    ) -> Grant:
        """A pair for what `request` holds: a refresh token, or the code of a consent. Raises AmocrmError."""
        where = Where.CODE if "code" in request else Where.REFRESH
        place = Place(base_url.partition("://")[2], TOKEN_PATH, advice, account_id)
        patience = Patience(self._retry, self._clock)
        doubtful = False
        while True:
            reply = self._transport.send("POST", base_url + TOKEN_PATH, json=request)
            grant = _grant_of(reply)
            if grant is not None:
                return grant
            doubtful |= self._overcome(reply, where, place, patience, doubtful)

    def current_domain(self, api_domain: str, refresh_token: str) -> str | None:
        reply = self._transport.send(
            "GET", f"https://{api_domain}{SUBDOMAIN_PATH}", headers={"X-Refresh-Token": refresh_token}
        )
        domain = (reply.body or {}).get("domain") if reply.status == 200 else None
        return domain.lower() if isinstance(domain, str) and is_account_host(domain.lower()) else None

    def _overcome(self, reply: Reply, where: Where, place: Place, patience: Patience, doubtful: bool) -> bool:
        """Wait for the next attempt, or raise. True when this one may have spent the token all the same."""
        rule = judge(reply, where)
        if rule.action in (Action.OK, Action.EMPTY):
            # an answer without the tokens in it
            reply = replace(reply, status=200, kind=Kind.BROKEN, body=None)
            rule = judge(reply, where)
        error = explain(rule, reply, place, self._retry)
        self._answered |= reply.status is not None
        if rule.action is Action.STOP:
            self._budget.shut(error)
        if rule.action is Action.PAUSE:
            seconds = patience.pause_after_throttling(retry_after(reply))
            if seconds is not None:
                self._budget.pause(seconds)
                return rule.doubtful
        if rule.action is Action.RETRY:
            cold = failed_early(reply) and not self._answered
            attempts = self._retry.cold_attempts if cold else self._retry.attempts
            delay = patience.pause_after_failure(retry_after(reply), attempts=attempts)
            if delay is not None:
                self._sleep(delay)
                return rule.doubtful
        raise _after_doubt(error) if doubtful else error


def _after_doubt(error: AmocrmError) -> AmocrmError:
    if isinstance(error, Unauthorized):
        error.message = _SPENT_UNHEARD + error.message
    return error


def _grant_of(reply: Reply) -> Grant | None:
    body: Mapping[str, Any] = reply.body or {}
    access, refresh, expires_in = body.get("access_token"), body.get("refresh_token"), body.get("expires_in")
    if reply.status != 200 or not isinstance(access, str) or not isinstance(refresh, str) or not access or not refresh:
        return None
    server_time = _count(body.get("server_time")) or reply.server_time or int(reply.received)
    return Grant(access, refresh, _count(expires_in) or _DAY, server_time)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 32 else None
