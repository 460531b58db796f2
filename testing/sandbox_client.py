"""A plain client for tests of the sandbox, independent of the connector."""

from __future__ import annotations

from typing import Any

import requests

from sandbox import Account, Faults, ManualClock, Sandbox, SandboxAdapter, Switches

Params = dict[str, Any]
NOW = 1_760_000_000


class Client:
    """A session whose requests a sandbox in this process answers."""

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
        """Returns the rows of one page, [] for 204."""
        response = self.get(path, params)
        if response.status_code == 204:
            return []
        assert response.status_code == 200, response.text
        rows: list[dict[str, Any]] = response.json()["_embedded"][key]
        return rows

    def walk(self, path: str, key: str, params: Params | None = None) -> list[list[dict[str, Any]]]:
        """Returns the pages by number, until one is empty or has no next page."""
        pages: list[list[dict[str, Any]]] = []
        while True:
            response = self.get(path, {**(params or {}), "page": len(pages) + 1})
            if response.status_code == 204:
                return pages
            document = response.json()
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
    """Makes a client of a new account whose clock stands still."""
    account = Account.generate(seed, leads, clock=ManualClock(NOW), switches=switches, timezone=timezone)
    return Client(Sandbox(account, faults=faults))
