"""An account to connect, the flow that does it, and a browser without a screen for the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from sandbox import OFF, Account, Client, Server, Switches, Tokens
from source_amocrm.connect.connect_flow import Flow
from source_amocrm.connect.connect_server import Server as PageServer
from source_amocrm.connect.connect_site import COOKIE, Request, Response, Site
from source_amocrm.connect.connect_words import Problem
from source_amocrm.http.rate_limit import Budget

from .http_server import serving

PORT = 8765
ORIGIN = f"http://localhost:{PORT}"
CALLBACK = f"{ORIGIN}/callback"
DOMAIN = "example.amocrm.ru"
SECRET = "s3cr3t"  # every secret of the sandbox has it in it


@contextmanager
def sandbox(**switches: Any) -> Iterator[Server]:
    account = Account.generate(seed=1, leads=20, switches=Switches(**switches))
    tokens = Tokens(account, client=Client(redirect_uri=CALLBACK))
    with Server(account, tokens=tokens, rate=OFF) as server:
        yield server


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the pace of the API nor pauses between attempts take time."""
    monkeypatch.setattr("source_amocrm.http.api.Budget", lambda _: Budget(1_000_000.0))
    monkeypatch.setattr("random.uniform", lambda low, _: low)


def flow(server: Server, folder: Path, api_base_url: str | None = None) -> Flow:
    return Flow(folder / "config.json", PORT, f"{server.url}/oauth", api_base_url or server.url)


def ready(server: Server, folder: Path, **keys: str) -> Flow:
    """At the third step, by OAuth."""
    made = flow(server, folder)
    made.choose_account(DOMAIN, "oauth")
    client = server.tokens.client
    usual = {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "redirect_uri": client.redirect_uri,
    }
    made.install(**{**usual, **keys})
    return made


def answer(server: Server, made: Flow, **changed: str) -> dict[str, str]:
    """The parameters of amoCRM's redirect to the question that is asked by this."""
    state = dict(parse_qsl(urlsplit(made.begin_consent()).query))["state"]
    return {"code": server.tokens.code(), "referer": DOMAIN, "state": state, "platform": "1", **changed}


def refused(made: Flow, given: dict[str, str] | str) -> Problem:
    with pytest.raises(Problem) as caught:
        made.take(given)
    assert SECRET not in f"{caught.value.params} {caught.value.detail}"
    return caught.value


@dataclass
class Visitor:
    """`pages`: every page that was shown; `urls`: every address that was visited, parameters and all."""

    site: Site
    language: str = "en"
    cookie: str = ""
    pages: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    def open(self) -> Response:
        return self.get(self.site.link)

    def get(self, url: str, **headers: str) -> Response:
        return self._follow(self.send("GET", url, {}, headers))

    def post(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Response:
        return self._follow(self.send("POST", path, form or {}, {"origin": ORIGIN, **headers}))

    def send(self, method: str, url: str, form: dict[str, str], headers: dict[str, str]) -> Response:
        """One request; redirects are not followed. `_` in a header's name stands for `-`."""
        parts = urlsplit(url)
        self.urls.append(f"{ORIGIN}{parts.path}{'?' if parts.query else ''}{parts.query}")
        sent = {"host": f"localhost:{PORT}", "accept-language": self.language, "cookie": f"other=1; {self.cookie}"}
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        response = self.site.handle(Request(method, parts.path, dict(parse_qsl(parts.query)), sent, form))
        given = response.headers.get("Set-Cookie", "")
        if given:
            self.cookie = given.partition(";")[0]
            assert self.cookie.startswith(f"{COOKIE}=")
        if response.headers.get("Content-Type", "").startswith("text/html"):
            self.pages.append(response.body.decode())
        return response

    def _follow(self, response: Response) -> Response:
        target = response.headers.get("Location", "")
        if response.status == 303 and target.startswith(f"{ORIGIN}/"):
            return self.get(target)
        return response

    @property
    def page(self) -> str:
        return self.pages[-1]

    @property
    def path(self) -> str:
        return urlsplit(self.urls[-1]).path


def visitor(made: Flow, language: str | None = None) -> Visitor:
    visiting = Visitor(Site(made, language, finish=lambda: None))
    visiting.open()
    return visiting


def callback(redirect: dict[str, str]) -> str:
    return f"{CALLBACK}?{urlencode(redirect)}"


@contextmanager
def served(folder: Path) -> Iterator[PageServer]:
    with PageServer(0) as server:
        port = server.server_address[1]
        server.site = Site(Flow(folder / "config.json", port), "en", server.finish)
        with serving(server):
            yield server
