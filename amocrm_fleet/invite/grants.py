"""What is known of each grant under way: the keys that amoCRM posts, and the code that the browser brings."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from amocrm_fleet.invite.invitations import digest
from source_amocrm.connect.signin import Verdict
from source_amocrm.connect.words import Problem

LIFE = 30 * 60.0
"""Seconds from the page that asks to the last answer; amoCRM's code lives for twenty minutes."""
MOST = 2_000
MOST_OF_ONE = 20
"""Grants that are kept at a time, in all and of one invitation. Past that the oldest are dropped."""
MOST_KEYS = 4
"""Integrations of one grant, where somebody allows more than once. Keys of further ones are refused."""
LONGEST_CODE = 2_048
"""Letters of a code. A redirect with a longer one is refused."""


@dataclass
class Landed:
    """An account that is in the folder. `verdict` is None where it could not be checked yet."""

    domain: str
    verdict: Verdict | None


@dataclass
class PendingGrant:
    """One page that asked. `secrets` has the secret key by the integration's ID."""

    invitation: str
    until: float
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    code: str = field(default="", repr=False)
    referer: str = ""
    client_id: str = ""
    language: str = ""
    """Chosen on the page; what follows is said in it, too."""
    outcome: Landed | Problem | None = None

    @property
    def keys(self) -> tuple[str, str] | None:
        """ID and secret key of the integration that the code is for, once both are known."""
        if not self.code:
            return None
        client_id = self.client_id or next(reversed(self.secrets), "")
        return (client_id, self.secrets[client_id]) if client_id in self.secrets else None

    def take_secret(self, client_id: str, client_secret: str) -> bool:
        """False for another secret of the same integration, or for too many integrations."""
        if client_id in self.secrets:
            return secrets.compare_digest(self.secrets[client_id].encode(), client_secret.encode())
        if len(self.secrets) >= MOST_KEYS:
            return False
        self.secrets[client_id] = client_secret
        return True


class Grants:
    """The grants under way, by the digest of the `state` that amoCRM carries through."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[str, PendingGrant] = {}
        self._lock = threading.Lock()

    def begin(self, invitation: str) -> str:
        """The state of a new grant."""
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
        of_one = [name for name, grant in self._held.items() if grant.invitation == invitation]
        for name in of_one[: max(0, len(of_one) - MOST_OF_ONE + 1)]:
            del self._held[name]
        while len(self._held) >= MOST:
            del self._held[next(iter(self._held))]
