"""What tests of the sandbox ask it with: a plain reader of pages, far from any cleverness of the connector."""

from __future__ import annotations

from typing import Any

import requests

from .sandbox import Account, Faults, ManualClock, Sandbox, SandboxAdapter, Switches

Params = dict[str, Any]
NOW = 1_760_000_000


class Client:
    """A session whose requests a sandbox answers in-process."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.mount("https://", SandboxAdapter(sandbox))
        self.session.headers["Authorization"] = f"Bearer {sandbox.tokens.long_lived()}"

    @property
    def account(self) -> Account:
        return self.sandbox.account

    def get(self, path: str, params: Params | None = None) -> requests.Response:
        return self.session.get(f"https://example.amocrm.ru/api/v4/{path}", params=params, timeout=5)

    def rows(self, path: str, key: str, params: Params | None = None) -> list[dict[str, Any]]:
        """Rows of one page; [] for 204."""
        answered = self.get(path, params)
        if answered.status_code == 204:
            return []
        assert answered.status_code == 200, answered.text
        rows: list[dict[str, Any]] = answered.json()["_embedded"][key]
        return rows

    def walk(self, path: str, key: str, params: Params | None = None) -> list[list[dict[str, Any]]]:
        """Pages by number until the list ends in either way."""
        pages: list[list[dict[str, Any]]] = []
        while True:
            answered = self.get(path, {**(params or {}), "page": len(pages) + 1})
            if answered.status_code == 204:
                return pages
            document = answered.json()
            if not document["_embedded"][key]:
                return pages
            pages.append(document["_embedded"][key])
            if "next" not in document["_links"]:
                return pages


def client(
    leads: int = 300,
    *,
    seed: int = 1,
    switches: Switches | None = None,
    faults: Faults | None = None,
    timezone: str = "Europe/Moscow",
) -> Client:
    """A client of a fresh account whose clock stands still."""
    account = Account.generate(seed, leads, clock=ManualClock(NOW), switches=switches, timezone=timezone)
    return Client(Sandbox(account, faults=faults))
