"""The pending grants: each collects the keys that amoCRM posts and the code that the browser brings."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from amocrm_fleet.invite.invitations import digest
from source_amocrm.connect.connect_words import Problem
from source_amocrm.connect.signin import Verdict

LIFE = 30 * 60.0
"""Lifetime of a grant from the opening of its page (seconds). Past that its state is unknown. Codes live 20 minutes."""
MOST_GRANTS = 2_000
MOST_PER_INVITATION = 20
"""Pending grants, in all and of one invitation. Past that the oldest are dropped."""
MOST_KEYS = 4
"""Integrations of one grant: each press of the button makes one. Keys of further integrations are refused."""
LONGEST_CODE = 2_048
"""Letters of a code. A redirect with a longer one is refused."""


@dataclass
class Landed:
    """An account that has landed in the folder. `verdict`: None if amoCRM did not let it be checked yet."""

    domain: str
    verdict: Verdict | None


@dataclass
class PendingGrant:
    """One opening of an invitation's page.

    `until`: its end (seconds, the clock of `Grants`). `secrets`: the secret key by the integration's ID. `language`: as
    chosen on the page, "" if none was.
    """

    invitation: str
    until: float
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    code: str = field(default="", repr=False)
    referer: str = ""
    client_id: str = ""
    language: str = ""
    outcome: Landed | Problem | None = None

    @property
    def keys(self) -> tuple[str, str] | None:
        """ID and secret key of the integration whose code has come, or None while either is missing."""
        if not self.code:
            return None
        client_id = self.client_id or next(reversed(self.secrets), "")
        return (client_id, self.secrets[client_id]) if client_id in self.secrets else None

    def take_secret(self, client_id: str, client_secret: str) -> bool:
        """Keeps an integration's key. False for another key of a known integration, or past MOST_KEYS integrations."""
        if client_id in self.secrets:
            return secrets.compare_digest(self.secrets[client_id].encode(), client_secret.encode())
        if len(self.secrets) >= MOST_KEYS:
            return False
        self.secrets[client_id] = client_secret
        return True


class Grants:
    """The pending grants by the digest of their OAuth `state`, which amoCRM sends back with keys and code."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, PendingGrant] = {}
        self._lock = threading.Lock()

    def begin(self, invitation: str) -> str:
        """Adds a grant and returns its state."""
        state = secrets.token_urlsafe(32)
        with self._lock:
            self._make_room(invitation)
            self._held[digest(state)] = PendingGrant(invitation, self._clock() + LIFE)
        return state

    def find(self, state: str) -> PendingGrant | None:
        with self._lock:
            grant = self._held.get(digest(state))
        return grant if grant is not None and self._clock() < grant.until else None

    def _make_room(self, invitation: str) -> None:
        now = self._clock()
        for name in [name for name, grant in self._held.items() if now >= grant.until]:
            del self._held[name]
        same = [name for name, grant in self._held.items() if grant.invitation == invitation]
        for name in same[: max(0, len(same) - MOST_PER_INVITATION + 1)]:
            del self._held[name]
        while len(self._held) >= MOST_GRANTS:
            del self._held[next(iter(self._held))]
