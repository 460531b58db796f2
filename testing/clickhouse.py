"""ClickHouse's engine, out of the wheel chdb, behind the HTTP interface that its drivers speak. No server can be had.

A user called `refused_<NAME>` is refused everything with the error of that name. Any other needs the password PASSWORD.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlsplit

PASSWORD = "s3cretOfClickhouse"


@contextmanager
def server() -> Iterator[str]:
    """Yields the address of an empty server, which a process of its own runs."""
    with subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f"clickhouse://analyst@127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def _refusal(authorization: str) -> str:
    user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
    name = user.removeprefix("refused_") if user.startswith("refused_") else ""
    name = name or ("" if password == PASSWORD else "AUTHENTICATION_FAILED")
    return f"Code: 1. DB::Exception: {user}: No. ({name})" if name else ""


def _serve(session: Any) -> None:
    one_at_a_time = threading.Lock()

    class Interface(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Is silent."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            [statement] = parse_qs(urlsplit(self.path).query).get("query", [""])
            refusal, answer = _refusal(self.headers["Authorization"]), b""
            try:
                with one_at_a_time, NamedTemporaryFile() as rows:
                    if statement:  # the body holds rows
                        rows.write(body)
                        rows.flush()
                        sql = re.sub(r" FORMAT (\w+)$", rf" FROM INFILE '{rows.name}' FORMAT \1", statement)
                    else:
                        sql = body.decode()
                    answer = b"" if refusal else session.query(sql, "TabSeparated").bytes()
            except Exception as error:
                refusal = str(error)
            answer = refusal.encode() or answer
            self.send_response(500 if refusal else 200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    made = ThreadingHTTPServer(("127.0.0.1", 0), Interface)
    print(made.server_port, flush=True)
    made.serve_forever()


if __name__ == "__main__":
    from chdb import session

    opened: Any = session.Session
    with TemporaryDirectory() as folder:
        _serve(opened(folder))
