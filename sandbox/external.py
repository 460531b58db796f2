"""External integrations: amoCRM creates one in the administrator's account and posts its keys to the inviting site.

The keys go to `secrets_uri` as JSON, which must answer with exactly 200, and the browser is redirected with a code.
Either may come first, and the keys may come late, twice or never.
"""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Literal

from .credentials import MARK, Client
from .query import Query, scalar, values
from .tokens import Tokens

Order = Literal["secrets_first", "code_first", "secrets_twice", "no_secrets"]


@dataclass
class External:
    """`delay`: time after the redirect until late keys are posted (seconds). `posted`: the statuses of the posts."""

    tokens: Tokens
    order: Order = "secrets_first"
    delay: float = 0.3
    posted: list[int] = field(default_factory=list)

    @staticmethod
    def is_requested(query: Query) -> bool:
        """Whether a button without a client ID opened the consent page."""
        needed = ("name", "description", "redirect_uri", "secrets_uri")
        return all(scalar(query.get(name)) for name in needed) and bool(values(query.get("scopes")))

    def create(self, query: Query) -> int | None:
        """Creates the integration and posts its keys. Returns the status if the site refuses them, else None."""
        number = len(self.posted)
        client = Client(
            client_id=f"0b0832f6-d123-4123-9123-{self.tokens.account.id:08x}{number:04x}",
            client_secret=f"{MARK}-external-{number}-Zk3tTqK0pQ",
            redirect_uri=scalar(query.get("redirect_uri")) or "",
        )
        self.tokens.client = client
        keys = {
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "state": scalar(query.get("state")) or "",
        }
        uri = scalar(query.get("secrets_uri")) or ""
        if self.order == "code_first":
            timer = threading.Timer(self.delay, self._post, (uri, keys))
            timer.daemon = True
            timer.start()
        elif self.order != "no_secrets":
            for _ in range(2 if self.order == "secrets_twice" else 1):
                if (status := self._post(uri, keys)) != 200:
                    return status
        return None

    def _post(self, uri: str, keys: dict[str, str]) -> int:
        request = urllib.request.Request(uri, json.dumps(keys).encode(), {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status = int(answer.status)
        except urllib.error.HTTPError as error:
            status = error.code
        self.posted.append(status)
        return status
