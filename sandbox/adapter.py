"""The sandbox as a transport adapter of `requests`, without sockets and latency: thousands of requests a second."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

from .faults import ANSWERS
from .http import Request
from .sandbox import Sandbox

BROKEN: dict[str, tuple[type[requests.RequestException], str]] = {
    "reset_before": (requests.ConnectionError, "Connection aborted: Connection reset by peer"),
    "reset_after_headers": (requests.exceptions.ChunkedEncodingError, "Connection broken"),
    "short_body": (requests.exceptions.ChunkedEncodingError, "Connection broken: IncompleteRead"),
    "hang": (requests.ReadTimeout, "Read timed out."),
}


class SandboxAdapter(BaseAdapter):
    """`session.mount("https://", SandboxAdapter(sandbox))`. A fault of the wire raises the exception of `requests`.

    `strict_hosts`: whether hosts other than the account's own and its API domain answer that there is no such account.
    """

    def __init__(self, sandbox: Sandbox, *, strict_hosts: bool = False) -> None:
        super().__init__()
        self.sandbox = sandbox
        self.strict_hosts = strict_hosts

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,  # noqa: ARG002
        verify: bool | str = True,  # noqa: ARG002
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        url = urlsplit(request.url or "")
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        headers = {"host": url.netloc, **{name.lower(): str(value) for name, value in request.headers.items()}}
        domain = self.sandbox.account.domain
        if self.strict_hosts and url.hostname not in (domain, f"api-b.{domain.partition('.')[2]}"):
            response = ANSWERS["401_no_account"]()
        else:
            response = self.sandbox.handle(Request(request.method or "GET", url.path, url.query, headers, body))
        self.sandbox.stamp(response)
        if response.wire in BROKEN:
            error, text = BROKEN[response.wire]
            raise error(text, request=request)
        return _response(self, request, response.status, response.headers, response.body)

    def close(self) -> None:
        """There is no connection to close."""


def _response(
    adapter: SandboxAdapter, request: requests.PreparedRequest, status: int, headers: Mapping[str, str], body: bytes
) -> requests.Response:
    response: Any = requests.Response()
    response.status_code = status
    response.reason = HTTPStatus(status).phrase
    response.headers = CaseInsensitiveDict({**headers, "content-length": str(len(body))})
    response.raw = HTTPResponse(io.BytesIO(body), response.headers, status, preload_content=False)
    response.url = request.url
    response.request = request
    response.connection = adapter
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.elapsed = timedelta(0)
    checked: requests.Response = response
    return checked
