"""The account behind its API: answers a request, with rate limit, tokens and faults in between."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from random import Random
from typing import cast
from urllib.parse import urlsplit

from . import endpoints
from .account import Account
from .consent import Consent
from .context import Context, Selectors
from .faults import ANSWERS, CHANGED_ANSWERS, CHANGED_REQUESTS, WIRES, Faults
from .http import Refusal, Request, Response, Wire, forbidden, not_found, problem, unpaid
from .limits import OFF, Limiter, Rate
from .switches import Switches
from .tokens import Tokens

Hook = Callable[["Sandbox", Request], None]


@dataclass(frozen=True)
class LoggedRequest:
    """One line of the request log. `at`: unix seconds, account's clock. `token`: its label, never the token itself."""

    serial: int
    at: float
    method: str
    host: str
    path: str
    query: str
    status: int
    token: str | None
    fault: str | None


class Sandbox:
    """`handle` is thread-safe; each answer is a consistent snapshot of the account.

    `before_request`: hooks that run under the account's lock before an answer is made, where tests may write.
    """

    def __init__(
        self,
        account: Account,
        *,
        switches: Switches | None = None,
        rate: Rate = OFF,
        faults: Faults | None = None,
        tokens: Tokens | None = None,
        base: str | None = None,
    ) -> None:
        self.account = account
        if switches is not None:
            account.switches = switches
        self.limiter = Limiter(rate)
        self.faults = faults or Faults()
        self.tokens = tokens or Tokens(account)
        self.consent = Consent(self.tokens)
        self.base = base or f"https://{account.domain}"
        self.before_request: list[Hook] = []
        self.log: list[LoggedRequest] = []
        self._selectors = Selectors()
        self._serial = 0

    @property
    def drive(self) -> str:
        """The address of the files: a separate host, or, if the sandbox is served on a port, the same address."""
        domain = self.account.domain
        return f"https://drive-b.{domain.partition('.')[2]}" if self.base == f"https://{domain}" else self.base

    def handle(self, request: Request) -> Response:
        """Answers a request that arrives now."""
        return self.answer(request, self.limiter.check())

    def answer(self, request: Request, refused: Response | None) -> Response:
        """Answers a request. `refused`: the limiter's refusal at its arrival, None if it was accepted."""
        with self.account.lock:
            self._serial += 1
            serial = self._serial
            for hook in self.before_request:
                hook(self, request)
            self.account.show_late_events()
            fault, response = (None, refused) if refused else self._answer(request, serial)
            at, token = self.account.clock.time(), self.tokens.label(request.bearer)
            line = (request.method, request.host, request.path, request.query)
            self.log.append(LoggedRequest(serial, at, *line, response.status, token, fault))
        return response

    def stamp(self, response: Response) -> Response:
        """Adds the headers that every answer has. `Date` is the time of sending."""
        response.headers.setdefault("server", "nginx")
        response.headers.setdefault("date", formatdate(self._date(), usegmt=True))
        response.headers.setdefault("x-request-id", f"sandbox-{len(self.log):06d}")
        return response

    def _date(self) -> float:
        switches = self.account.switches
        jitter = Random(len(self.log)).uniform(-switches.date_jitter, switches.date_jitter)
        return self.account.clock.time() + switches.date_ahead + jitter

    def _answer(self, request: Request, serial: int) -> tuple[str | None, Response]:
        fault = self.faults.pick(request, serial)
        if fault in ANSWERS:
            return fault, ANSWERS[fault]()
        if fault in CHANGED_REQUESTS:
            return fault, self._serve(CHANGED_REQUESTS[fault](request), serial)
        response = self._serve(request, serial)
        if fault in CHANGED_ANSWERS:
            response = CHANGED_ANSWERS[fault](response, request)
        elif fault in WIRES:
            response = replace(response, wire=cast(Wire, fault))
        elif fault is not None:
            raise ValueError(f"no such fault: {fault}")
        return fault, response

    def _serve(self, request: Request, serial: int) -> Response:
        oauth = self._oauth(request)
        if oauth is not None:
            return oauth
        of_drive = request.path.startswith("/v1.0/")
        base = self.drive if of_drive else self.base
        if not (of_drive or request.path.startswith("/api/v4")) or request.host not in ("", urlsplit(base).netloc):
            return not_found(request.method, request.path)
        denied = self.tokens.check(request.bearer)
        if denied is not None:
            return denied
        if self.account.switches.unpaid:
            return unpaid()
        section = re.sub(r"^/(api/v4|v1\.0)/", "", request.path)
        if any(section == path or section.startswith(f"{path}/") for path in self.account.switches.forbidden):
            return forbidden("Access denied")
        if endpoints.find(request.path) is None:
            return not_found(request.method, request.path)
        if request.method != "GET":
            return problem(405, "Method Not Allowed", f"{request.method} is not allowed here")
        context = Context(self.account, request, base, self._selectors, serial, self.drive)
        try:
            answer = endpoints.answer(context)
        except Refusal as refusal:
            return refusal.response
        return answer or not_found(request.method, request.path)

    def _oauth(self, request: Request) -> Response | None:
        if request.path == "/oauth2/access_token":
            if request.method != "POST":
                return problem(405, "Method Not Allowed", f"{request.method} is not allowed here")
            return self.tokens.exchange(request)
        if request.path == "/oauth2/account/current/subdomain":
            return self.tokens.current_subdomain(request)
        if request.path == "/oauth":
            return self.consent.page(request)
        if request.path == "/oauth/decide":
            return self.consent.decide(request)
        return None
