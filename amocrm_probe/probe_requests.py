"""The probe's requests: only GET, bounded in number, cached by path and parameters; a refusal becomes a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from amocrm_probe.answer import Unanswered, Why
from amocrm_probe.lists import LISTS, List
from source_amocrm.errors import AmocrmError, BadRequest, FeatureOff, Forbidden, NotFound, PageTooLarge, Unpaid
from source_amocrm.http import Api, Params
from source_amocrm.http.reply import Reply, http_date, reply_of
from source_amocrm.walk.listing import MalformedList, next_link, rows_of

Row = dict[str, Any]
MOST_REQUESTS = 200
_TRIES = 2
"""Requests that a page may take if it is too large for the server. With fewer left, the question stays unanswered."""
_WHY: dict[type[AmocrmError], Why] = {
    Forbidden: Why.REFUSED,
    Unpaid: Why.ABSENT,
    NotFound: Why.ABSENT,
    FeatureOff: Why.ABSENT,
    BadRequest: Why.FAILED,
    PageTooLarge: Why.FAILED,
}
"""Errors that concern one list or one way of requesting it. Any other error ends the question."""
_UNCHANGED = 304


class ProbeFetch(Protocol):
    def __call__(self, path: str, params: Params, headers: Mapping[str, str]) -> Reply:
        """Raises AmocrmError."""


@dataclass(frozen=True)
class ProbePage:
    """One page of a list. `date`: the answer's `Date` header (unix seconds, server clock), None if it has none."""

    rows: list[Row]
    more: bool
    body: Row
    status: int | None
    date: float | None


@dataclass(frozen=True)
class AnswerStats:
    """Of one answer: the requested limit (0 for none), the rows that came, its duration and the server clock's lead.

    `elapsed`, `ahead`: seconds. `ahead`: None if the answer has no `Date` header.
    """

    limit: int
    rows: int
    elapsed: float
    ahead: float | None


@dataclass
class Asking:
    """`sent`: counts the requests so far. `on_request`: called before each. `refused`: the headers of each 429."""

    fetch: ProbeFetch
    sent: Callable[[], int]
    on_request: Callable[[], None] = lambda: None
    most: int = MOST_REQUESTS
    stats: list[AnswerStats] = field(default_factory=list)
    refused: list[Mapping[str, str]] = field(default_factory=list)
    _pages: dict[str, ProbePage | Unanswered] = field(default_factory=dict)

    def page(self, of: List, params: Params | None = None, *, repeat: bool = False) -> ProbePage:
        """Returns a page of a list. `repeat`: requests it again and keeps the cached page. Raises Unanswered."""
        return self.body(of.path, {**of.params, **(params or {})}, of.collection, repeat=repeat)

    def sample(self, of: List) -> ProbePage:
        """Returns the first page in its largest documented size and with all `with` parameters. Raises Unanswered."""
        return self.page(of, {**({"with": of.withs} if of.withs else {}), "limit": of.limit})

    def rows(self, name: str) -> list[Row]:
        return self.sample(LISTS[name]).rows

    def body(
        self,
        path: str,
        params: Params | None = None,
        collection: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        repeat: bool = False,
    ) -> ProbePage:
        """Returns the answer to any path, from the cache if there are no `headers`. Raises Unanswered."""
        key = f"{path} {dict(params or {})}"
        page = None if repeat or headers else self._pages.get(key)
        if page is None:
            page = self._ask(path, params or {}, collection, headers or {})
            self._pages.setdefault(key, page)
        if isinstance(page, Unanswered):
            raise page
        return page

    def _ask(self, path: str, params: Params, collection: str, headers: Mapping[str, str]) -> ProbePage | Unanswered:
        if self.sent() + _TRIES > self.most:
            return Unanswered(Why.ALLOWANCE)
        self.on_request()
        try:
            reply = self.fetch(path, params, headers)
            page = _page(reply, collection)
        except MalformedList:
            return Unanswered(Why.FAILED)
        except AmocrmError as error:
            why = _why(error, params)
            if why is None:
                raise
            return Unanswered(why)
        ahead = None if page.date is None else page.date - (reply.received - reply.elapsed / 2)
        limit = params.get("limit")
        self.stats.append(AnswerStats(limit if isinstance(limit, int) else 0, len(page.rows), reply.elapsed, ahead))
        return page


def _why(error: AmocrmError, params: Params) -> Why | None:
    """Returns the reason that an error stands for, or None if it concerns more than this request."""
    if error.status == _UNCHANGED:
        return Why.UNCHANGED
    if isinstance(error, Unpaid) and any(name.startswith("filter[") for name in params):
        return Why.NO_FILTER
    return next((why for kind, why in _WHY.items() if isinstance(error, kind)), None)


def _page(reply: Reply, collection: str) -> ProbePage:
    """Raises MalformedList."""
    body = reply.body or {}
    return ProbePage(
        rows_of(body, collection), bool(next_link(body)), body, reply.status, http_date(reply.headers.get("Date"))
    )


def over_http(api: Api) -> ProbeFetch:
    """Sends requests through the connector's own client, with its rate limit, sign-in and retries."""

    def fetch(path: str, params: Params, headers: Mapping[str, str]) -> Reply:
        _, response = api.send_request("GET", api.url(path, params), {"shrinkable": True}, headers=headers)
        return reply_of(response)

    return fetch
