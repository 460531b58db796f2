"""GET for everyone who reads a list: a path and its parameters in, an answer out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from source_amocrm.http import memory
from source_amocrm.http.answer import Answer, Params
from source_amocrm.http.client import AmocrmClient
from source_amocrm.http.reply import Reply, reply_of

Observer = Callable[[str, dict[str, Any] | None], None]
"""Is called with each path that was asked for and the body that came, in whichever thread asked."""

ACCOUNT_PATH = "/api/v4/account"

# Requests under way beyond rate × latency, so that a turn never waits for a request
_SPARE = 1.0


def encode(params: Params) -> str:
    """A query string as PHP reads it; a list repeats its name, which therefore ends with []."""
    return urlencode(params, doseq=True)


class Api:
    """Safe to share by any number of threads. `wall`: unix seconds of this machine's clock."""

    def __init__(
        self,
        client: AmocrmClient,
        wall: Callable[[], float] = time.time,
        observe: Observer = lambda *_: None,
    ) -> None:
        self.client = client
        self.auth = client.sign_in
        self.budget = client.session.budget
        self.stats = client.stats
        self.clock = client.clock
        self.sleep = client.sleep
        self.wall = wall
        self.observe = observe

    def get(self, path: str, params: Params | None = None, *, shrinkable: bool = False) -> Answer:
        """The answer to `path` ("/api/v4/leads"), or an AmocrmError once it is certain.

        `shrinkable`: raise PageTooLarge where the caller had better ask for less; see AmocrmClient.
        """
        answer = _answer(self.reply(path, params, shrinkable=shrinkable))
        self.observe(path, answer.body)
        return answer

    def reply(
        self,
        path: str,
        params: Params | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        shrinkable: bool = False,
    ) -> Reply:
        """As `get`, with all that is known of the answer, and unobserved."""
        query = encode(params or {})
        url = f"{self.auth.base_url}{path}?{query}" if query else f"{self.auth.base_url}{path}"
        _, response = self.client.send_request("GET", url, {"shrinkable": shrinkable}, headers=headers)
        return reply_of(response)

    def room(self) -> int:
        """How many more requests should be under way to use the rate limit up; negative if threads wait for turns.

        None while heavy pages that are not delivered yet take much of the memory.
        """
        if not memory.has_room():
            return 0
        return math.ceil(self.budget.per_second * self.stats.latency + _SPARE) - self.stats.asking


def _answer(reply: Reply) -> Answer:
    server_time = reply.server_time
    if server_time is None:
        server_time = int(reply.received)
    body = reply.body if reply.status != 204 else None
    return Answer(body, server_time, server_time - math.ceil(reply.elapsed) - 1, size=reply.size)
