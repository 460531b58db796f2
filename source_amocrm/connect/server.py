"""The page's small server: on 127.0.0.1 alone, and silent."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from source_amocrm.connect import pages
from source_amocrm.connect.guard import HEADERS
from source_amocrm.connect.site import Request, Response, Site
from source_amocrm.connect.words import Words

_LARGEST_FORM = 64 * 1024


class Server(ThreadingHTTPServer):
    """`site` is set before the first request."""

    daemon_threads = True
    site: Site

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)

    def finish(self) -> None:
        """End `serve_forever` once the answer that is being given is out."""
        threading.Timer(0.5, self.shutdown).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that closed a connection is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: Server

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > _LARGEST_FORM:
            self.close_connection = True
            self._send(Response(413, headers=HEADERS))
            return
        self._answer(_pairs(self.rfile.read(int(length)).decode("utf-8", "replace")))

    def _answer(self, form: dict[str, str]) -> None:
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            response = self.server.site.handle(Request(self.command, url.path, _pairs(url.query), headers, form))
        except Exception as error:
            response = _failed(error)
        self._send(response)

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        self.wfile.write(response.body)

    def version_string(self) -> str:
        return "source-amocrm"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Addresses may hold a code: nothing is logged."""


def _pairs(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=50))
    except ValueError:
        return {}


def _failed(error: Exception) -> Response:
    """Where it happened, without the values that a stack trace's last line may quote."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    detail = f"{type(error).__name__} at {where}"
    print(f"source-amocrm connect: {detail}", file=sys.stderr)
    body = pages.message_page("failed", Words("en"), detail).encode()
    return Response(500, body, {**HEADERS, "Content-Type": "text/html; charset=utf-8"})
