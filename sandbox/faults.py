"""Faults of the server and of the network, which happen at random or at chosen requests."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from .http import (
    Request,
    Response,
    blocked,
    dumps,
    feature_off,
    forbidden,
    gateway_error,
    html,
    nothing,
    problem,
    unauthorized,
    unpaid,
)
from .limits import too_many
from .query import number, scalar, values


@dataclass(frozen=True)
class Fault:
    """One kind of failure, and the requests that it strikes: all that match, without `chance`, `nth` and `since`.

    `kind`: a name of ANSWERS, CHANGED_REQUESTS, CHANGED_ANSWERS or WIRES. `path`: a regular expression, searched for
    in the path. `nth`, `since`: numbers of matching requests, counted from 1.
    """

    kind: str
    path: str = ""
    chance: float | None = None
    nth: Sequence[int] = ()
    since: int | None = None  # strikes this one and all later ones
    times: int | None = None  # strikes at most so often
    min_page: int = 1
    limit_over: int | None = None  # matches only a larger `limit`
    withs_over: int | None = None  # matches only a `with` of more parts

    def matches(self, request: Request) -> bool:
        if not re.search(self.path, request.path):
            return False
        if self.min_page == 1 and self.limit_over is None and self.withs_over is None:
            return True
        query = request.params()
        return (
            (number(scalar(query.get("page"))) or 1) >= self.min_page
            and (self.limit_over is None or (number(scalar(query.get("limit"))) or 50) > self.limit_over)
            and (self.withs_over is None or len(values(query.get("with"))) > self.withs_over)
        )


ANSWERS: dict[str, Callable[[], Response]] = {
    "204": nothing,
    "401": unauthorized,
    "401_no_account": lambda: problem(401, "Unauthorized", "Account not found", error_code=101),
    "401_user_off": lambda: problem(401, "Unauthorized", "User is not active", error_code=112),
    "402": unpaid,
    "403": lambda: forbidden("Access denied"),
    "403_ip": lambda: problem(403, "Forbidden", "IP address is not in the white list", error_code=113),
    "403_nginx": blocked,
    "403_code": lambda: problem(400, "Bad Request", "No rights", error_code=288),
    "404": lambda: problem(404, "Not Found", "Cannot GET this address"),
    "402_code": lambda: problem(400, "Bad Request", "Payment required", error_code=402),
    "422_code": lambda: problem(400, "Bad Request", "Customers are disabled", error_code=426),
    "422": lambda: feature_off("Not available in the account"),
    "429": too_many,
    "429_header": lambda: too_many("header"),
    "429_body": lambda: too_many("body"),
    "500": lambda: Response(
        500,
        dumps({"title": "ErrInternalServer", "status": 500, "detail": "Internal server error", "trace_id": "5f2c9b1e"}),
        {"content-type": "application/problem+json"},
    ),
    "502": lambda: gateway_error(502),
    "503": lambda: gateway_error(503),
    "504": lambda: gateway_error(504),
    "html_200": lambda: html(200, "<html><body>Технические работы</body></html>"),
    "object_200": lambda: Response(200, b"{}", {"content-type": "application/hal+json"}),
    "status_200": lambda: Response(200, b'{"status": "ok"}', {"content-type": "application/json"}),
    "empty_200": lambda: Response(200, b"", {"content-type": "application/hal+json"}),
    "redirect": lambda: Response(302, b"", {"location": "https://www.amocrm.ru/"}),
}
WIRES = ("reset_before", "reset_after_headers", "short_body", "drip", "hang")
RETRIABLE = (
    "429", "500", "502", "503", "504", "html_200", "empty_200", "truncated", "reset_before", "reset_after_headers",
)  # fmt: skip


def _repeated_page(request: Request) -> Request:
    return replace(request, query=re.sub(r"(^|&)page=\d+", r"\1page=1", request.query))


def _without(prefix: str) -> Callable[[Request], Request]:
    def change(request: Request) -> Request:
        kept = [part for part in request.query.split("&") if not part.startswith(prefix)]
        return replace(request, query="&".join(kept))

    return change


CHANGED_REQUESTS: dict[str, Callable[[Request], Request]] = {
    "repeated_page": _repeated_page,
    "ignored_filter": _without("filter"),
    "ignored_order": _without("order"),
}


def _truncated(response: Response, _request: Request) -> Response:
    return replace(response, body=response.body[: len(response.body) * 2 // 3])


def _wrong_type(response: Response, _request: Request) -> Response:
    return replace(response, headers={**response.headers, "content-type": "text/html"})


def _always_next(response: Response, request: Request) -> Response:
    """Gives every page a next one, also past the end of the list."""
    query = request.params()
    page = int(number(scalar(query.get("page"))) or 1)
    document: dict[str, Any] = json.loads(response.body or b"{}")
    kept = re.sub(r"(^|&)page=\d+", "", request.query)
    document.setdefault("_page", page)
    document.setdefault("_embedded", {request.path.rpartition("/")[2]: []})
    href = f"https://example.amocrm.ru{request.path}?{kept}&page={page + 1}"
    document.setdefault("_links", {})["next"] = {"href": href}
    return Response(200, dumps(document), {"content-type": "application/hal+json"})


def _outside_window(response: Response, _request: Request) -> Response:
    """Appends a row to the page that lies outside every filter: it changed in 2001."""
    if not response.body:
        return response
    document = json.loads(response.body)
    rows = next(iter(document.get("_embedded", {}).values()), None)
    if rows:
        rows.append({**rows[-1], "id": 1, "created_at": 1_000_000_000, "updated_at": 1_000_000_000})
    return replace(response, body=dumps(document))


def _unstorable(response: Response, _request: Request) -> Response:
    """Replaces every pair of U+FFFD by NUL and half an emoji, which databases cannot store."""
    return replace(response, body=response.body.replace("\ufffd\ufffd".encode(), rb"\u0000\ud83d"))


CHANGED_ANSWERS: dict[str, Callable[[Response, Request], Response]] = {
    "truncated": _truncated,
    "wrong_type": _wrong_type,
    "always_next": _always_next,
    "outside_window": _outside_window,
    "unstorable": _unstorable,
}


class Faults:
    """The faults of one sandbox. `fired`: those that struck, as (request's number, kind, path)."""

    def __init__(self, *faults: Fault, seed: int = 0) -> None:
        self.faults = list(faults)
        self.fired: list[tuple[int, str, str]] = []
        self._random = Random(f"faults {seed}")
        self._seen: Counter[Fault] = Counter()
        self._done: Counter[Fault] = Counter()
        self.drip_seconds = 0.2  # between bytes
        self.hang_seconds = 600.0

    @classmethod
    def storm(cls, seed: int = 0, share: float = 0.015, false_204: float = 0.02) -> Faults:
        """Ten kinds of failure, each at `share` of the requests, and false 204s past the first page."""
        lists = r"^/(api|v1\.0)/"
        faults = [Fault(kind, lists, chance=share) for kind in RETRIABLE]
        return cls(*faults, Fault("204", lists, chance=false_204, min_page=2), seed=seed)

    def add(self, *faults: Fault) -> None:
        self.faults.extend(faults)

    def clear(self) -> None:
        self.faults.clear()

    def pick(self, request: Request, serial: int) -> str | None:
        """Returns the kind of the first fault that strikes this request, or None."""
        picked = None
        for fault in self.faults:
            if not fault.matches(request):
                continue
            self._seen[fault] += 1
            if picked is None and self._strikes(fault):
                self._done[fault] += 1
                picked = fault.kind
        if picked:
            self.fired.append((serial, picked, request.path))
        return picked

    def _strikes(self, fault: Fault) -> bool:
        if fault.times is not None and self._done[fault] >= fault.times:
            return False
        if fault.nth or fault.since is not None:
            seen = self._seen[fault]
            return seen in fault.nth or (fault.since is not None and seen >= fault.since)
        return fault.chance is None or self._random.random() < fault.chance
