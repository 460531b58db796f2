"""The only place that asks: GET, counted, each question's page once, and every refusal a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from amocrm_probe.answer import Untold, Why
from amocrm_probe.lists import LISTS, List
from source_amocrm.errors import AmocrmError, BadRequest, FeatureOff, Forbidden, NotFound, PageTooLarge, Unpaid
from source_amocrm.http import Api, Params
from source_amocrm.http.reply import Reply, http_date, reply_of
from source_amocrm.walk.listing import MalformedList, next_link, rows_of

Row = dict[str, Any]
MOST_REQUESTS = 200
_TRIES = 2
"""Requests that a page may take which is too much for the server."""
_WHY: dict[type[AmocrmError], Why] = {
    Forbidden: Why.REFUSED,
    Unpaid: Why.ABSENT,
    NotFound: Why.ABSENT,
    FeatureOff: Why.ABSENT,
    BadRequest: Why.FAILED,
    PageTooLarge: Why.FAILED,
}
"""The refusals that concern one list, or one way of asking for it."""
_UNCHANGED = 304


class ProbeFetch(Protocol):
    def __call__(self, path: str, params: Params, headers: Mapping[str, str]) -> Reply:
        """Raises AmocrmError."""


@dataclass(frozen=True)
class ProbePage:
    """`date`: when the server says that it answered, in Unix seconds; None where it does not."""

    rows: list[Row]
    more: bool
    body: Row
    status: int | None
    date: float | None


@dataclass(frozen=True)
class Seen:
    """Of one answer: rows that were asked for and came, seconds that it took, and how far ahead its clock was."""

    limit: int
    rows: int
    elapsed: float
    ahead: float | None


@dataclass
class Asking:
    """`sent`: how many requests have left so far; `told` is called before each."""

    fetch: ProbeFetch
    sent: Callable[[], int]
    told: Callable[[], None] = lambda: None
    most: int = MOST_REQUESTS
    seen: list[Seen] = field(default_factory=list)
    refused: list[Mapping[str, str]] = field(default_factory=list)
    """The headers of each answer 429."""
    _pages: dict[str, ProbePage | Untold] = field(default_factory=dict)

    def page(self, of: List, params: Params | None = None, *, anew: bool = False) -> ProbePage:
        """A page of a list; `anew`: asked again, while the first answer stays known. Raises Untold."""
        return self.body(of.path, {**of.params, **(params or {})}, of.collection, anew=anew)

    def sample(self, of: List) -> ProbePage:
        """The first page as long as may be, with all that can be shown of a row. Raises Untold."""
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
        anew: bool = False,
    ) -> ProbePage:
        """The answer to any path. Raises Untold."""
        asked = f"{path} {dict(params or {})}"
        known = None if anew or headers else self._pages.get(asked)
        if known is None:
            known = self._ask(path, params or {}, collection, headers or {})
            self._pages.setdefault(asked, known)
        if isinstance(known, Untold):
            raise known
        return known

    def _ask(self, path: str, params: Params, collection: str, headers: Mapping[str, str]) -> ProbePage | Untold:
        if self.sent() + _TRIES > self.most:
            return Untold(Why.ALLOWANCE)
        self.told()
        try:
            reply = self.fetch(path, params, headers)
            page = _page(reply, collection)
        except MalformedList:
            return Untold(Why.FAILED)
        except AmocrmError as error:
            why = _why(error, params)
            if why is None:
                raise
            return Untold(why)
        ahead = None if page.date is None else page.date - (reply.received - reply.elapsed / 2)
        limit = params.get("limit")
        self.seen.append(Seen(limit if isinstance(limit, int) else 0, len(page.rows), reply.elapsed, ahead))
        return page


def _why(error: AmocrmError, params: Params) -> Why | None:
    """The reason that a refusal gives; None where it concerns more than this request."""
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
    """Reads through the connector's own client: its pace, its sign-in, its patience."""

    def fetch(path: str, params: Params, headers: Mapping[str, str]) -> Reply:
        _, response = api.send_request("GET", api.url(path, params), {"shrinkable": True}, headers=headers)
        return reply_of(response)

    return fetch
