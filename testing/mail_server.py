"""A mail server on this machine, which keeps what it is sent."""

from __future__ import annotations

import base64
import email
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import default
from socketserver import StreamRequestHandler, TCPServer
from urllib.parse import quote

from sandbox.credentials import MARK

from .http_server import serving

PASSWORD = f"pa/ss-{MARK}"
FROM, TO = "robot@example.com", "boss@example.com"


class MailServer(TCPServer):
    """Keeps each login and each mail. `refusals`: its answers to commands that it refuses, by their verb."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.logins: list[tuple[str, str]] = []
        self.mails: list[EmailMessage] = []
        self.refusals: dict[str, str] = {}

    @property
    def address(self) -> str:
        """The address for apprise."""
        server = f"ann:{quote(PASSWORD, safe='')}@127.0.0.1:{self.server_address[1]}"
        return f"mailto://{server}?from={FROM}&to={TO}&mode=insecure"


class Session(StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            verb, _, rest = line.partition(" ")
            if refusal := self.server.refusals.get(verb.upper()):
                self._say(refusal)
                continue
            match verb.upper():
                case "EHLO":
                    self._say("250-here\r\n250 AUTH PLAIN")
                case "AUTH":
                    _, user, password = base64.b64decode(rest.removeprefix("PLAIN ")).decode().split("\0")
                    self.server.logins.append((user, password))
                    self._say("235 welcome")
                case "DATA":
                    self._say("354 go on")
                    lines = iter(self.rfile.readline, b".\r\n")
                    self.server.mails.append(email.message_from_bytes(b"".join(lines), policy=default))
                    self._say("250 kept")
                case "QUIT":
                    return self._say("221 bye")
                case _:
                    self._say("250 yes")

    def _say(self, answer: str) -> None:
        self.wfile.write(f"{answer}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server, serving(server):
        yield server
