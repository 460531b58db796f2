"""Who may talk to the page: a browser on this computer that came by the printed link, and no other site in it."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

COOKIE = "source-amocrm-connect"

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # no-referrer would also take the Origin from our own forms
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass
class Guard:
    """`key` opens the page once and is exchanged for a cookie."""

    port: int
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _session: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _key_used: bool = False

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def cookie(self) -> str:
        """Lax, as the way back from amoCRM comes from another site."""
        return f"{COOKIE}={self._session}; Path=/; HttpOnly; SameSite=Lax"

    def host_is_ours(self, headers: Mapping[str, str]) -> bool:
        """False for a foreign name that was made to point to this computer."""
        return headers.get("host", "") in (f"localhost:{self.port}", f"127.0.0.1:{self.port}")

    def open(self, key: str) -> bool:
        """True once."""
        if self._key_used or not hmac.compare_digest(key.encode(), self.key.encode()):
            return False
        self._key_used = True
        return True

    def knows(self, headers: Mapping[str, str]) -> bool:
        for pair in headers.get("cookie", "").split(";"):
            name, _, value = pair.strip().partition("=")
            if name == COOKIE and hmac.compare_digest(value.encode(), self._session.encode()):
                return True
        return False

    def same_origin(self, headers: Mapping[str, str]) -> bool:
        """Whether one of our own pages sent this; other ports of localhost count as the same site, but not as this."""
        origin = headers.get("origin")
        if origin is not None:
            return origin in (self.origin, f"http://127.0.0.1:{self.port}")
        return headers.get("sec-fetch-site") == "same-origin"
