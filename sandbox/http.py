"""The account's requests and responses, independent of any server, and the bodies of its errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from .query import Query, parse

Wire = Literal["whole", "reset_before", "reset_after_headers", "short_body", "drip", "hang"]
HAL = "application/hal+json"
PROBLEM = "application/problem+json"
NGINX_403 = (
    "<html>\n<head><title>403 Forbidden</title></head>\n<body>\n<center><h1>403 Forbidden</h1></center>\n"
    "<hr><center>nginx</center>\n</body>\n</html>\n"
)


@dataclass(frozen=True)
class Request:
    """`path`: starts with a slash. `query`: the raw string after the question mark. Header names are lowercase."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def params(self) -> Query:
        return parse(self.query)

    @property
    def host(self) -> str:
        """The `Host` header, "" for a request without one, which every host answers."""
        return self.headers.get("host", "")

    @property
    def bearer(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" else None


@dataclass
class Response:
    """`wire`: the fault of the network, if any, that hits the bytes."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    wire: Wire = "whole"


class Refusal(Exception):
    """Raised by an endpoint to answer with an error."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(frozen=True)
class Raw:
    """JSON text that is put into a document as it is, valid or not."""

    text: bytes


def dumps(document: Any) -> bytes:
    """Writes JSON with orjson or, for huge integers and lone surrogates, with the standard library."""
    try:
        return orjson.dumps(document, default=lambda raw: orjson.Fragment(raw.text))
    except TypeError:
        raws: list[bytes] = []

        def stand_in(raw: Raw) -> str:
            raws.append(raw.text)
            return f"<<raw {len(raws) - 1}>>"

        text = json.dumps(document, ensure_ascii=True, default=stand_in).encode()
        for number, contents in enumerate(raws):
            text = text.replace(f'"<<raw {number}>>"'.encode(), contents)
        return text


def ok(document: Any, *, status: int = 200) -> Response:
    return Response(status, dumps(document), {"content-type": HAL})


def plain_json(document: Any) -> Response:
    return Response(200, dumps(document), {"content-type": "application/json"})


def nothing() -> Response:
    return Response(204)


def html(status: int, text: str, **headers: str) -> Response:
    return Response(status, text.encode(), {"content-type": "text/html; charset=UTF-8", **headers})


def problem(status: int, title: str, detail: str, **more: Any) -> Response:
    document = {"title": title, "type": f"https://httpstatus.es/{status}", "status": status, "detail": detail, **more}
    return Response(status, dumps(document), {"content-type": PROBLEM})


def bad_request(path: str, detail: str, code: str = "InvalidValue") -> Response:
    errors = [{"request_id": "0", "errors": [{"code": code, "path": path, "detail": detail}]}]
    return problem(400, "Bad Request", "Request validation failed", **{"validation-errors": errors})


def unauthorized() -> Response:
    return problem(401, "Unauthorized", "Invalid user name or password")


def unpaid() -> Response:
    return problem(402, "Payment Required", "Payment required")


def forbidden(detail: str = "Forbidden") -> Response:
    return problem(403, "Forbidden", detail)


def feature_off(detail: str) -> Response:
    return problem(422, "Unprocessable Entity", detail)


def not_found(method: str, path: str) -> Response:
    return problem(404, "Not Found", f"Cannot {method} {path}")


def blocked() -> Response:
    return html(403, NGINX_403)


def gateway_error(status: int) -> Response:
    title = {502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}[status]
    text = f"<html>\n<head><title>{title}</title></head>\n<body>\n<center><h1>{title}</h1></center>\n"
    return html(status, f"{text}<hr><center>nginx</center>\n</body>\n</html>\n")
