"""Serves the page of `connect` to this computer alone, without a log.

The server is the standard library's: the connector and its image carry no other for a page that one person opens once.
"""

from __future__ import annotations

import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from source_amocrm.connect.connect_site import Request, Response, Site, message
from source_amocrm.connect.connect_words import Texts
from source_amocrm.errors import raised_at

LARGEST_FORM = 64 * 1024  # Bytes of a form; a larger one is refused (413). `http.server` itself bounds the headers.

_PATH = re.compile(r"/[!-\[\]-~]*")  # The only targets that a request may have: paths of this server
_ONCE = ("host", "origin", "sec-fetch-site", "content-length", "content-type")
"""The headers that may come only once, because each of two could be taken for the one that counts."""


class Server(ThreadingHTTPServer):
    """`site` must be set before `serve_forever`."""

    daemon_threads = True
    request_queue_size = 64  # connections that wait to be accepted; a browser opens several at once
    site: Site

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _PageHandler)

    def finish(self) -> None:
        """Ends `serve_forever` after the response under way."""
        threading.Timer(0.5, self.shutdown).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Tells nothing: a browser may close its connections."""


class _PageHandler(BaseHTTPRequestHandler):
    """Answers one request, and closes the connection."""

    protocol_version = "HTTP/1.1"
    timeout = 30.0  # seconds that the browser may send nothing, or may not take the response
    server: Server

    def do_GET(self) -> None:
        """Answers a request, and refuses one that can be read in two ways."""
        path, posts = self.requestline.split()[1], self.command == "POST"  # http.server tidies its own path up
        length = self.headers.get("Content-Length", "" if posts else "0")
        once = all(len(self.headers.get_all(name, [])) <= 1 for name in _ONCE)
        plain = once and "Transfer-Encoding" not in self.headers and self.request_version != "HTTP/0.9"
        if not plain or not _PATH.fullmatch(path) or not (posts or length == "0"):
            self.send_error(400)
        elif not re.fullmatch("[0-9]{1,9}", length) or int(length) > LARGEST_FORM:
            self.send_error(413)
        else:
            self._answer(self.rfile.read(int(length)))

    do_POST = do_GET  # noqa: N815

    def _answer(self, body: bytes) -> None:
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        form = _pairs(body.decode("utf-8", "replace"))
        try:
            response = self.server.site.handle(Request(self.command, url.path, _pairs(url.query), headers, form))
        except Exception as error:
            detail = f"{type(error).__name__} at {raised_at(error)}"
            print(f"source-amocrm connect: {detail}", file=sys.stderr)
            response = message(500, "failed", Texts("en"), detail)
        self._send(response)

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answers without quoting the request."""
        if self.request_version in ("", "HTTP/0.9"):
            self.request_version = "HTTP/1.0"
        self._send(Response(code))

    def version_string(self) -> str:
        return "source-amocrm"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Logs nothing: an address may hold a code."""


def _pairs(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=50))
    except ValueError:
        return {}
