"""Tokens, codes and integrations. Every secret contains MARK, so that tests can search outputs for it."""

from __future__ import annotations

from dataclasses import dataclass

MARK = "s3cr3t"
DAY = 86_400


@dataclass
class Access:
    """One bearer token. `expires_at`: unix seconds. `requests_left`: None for any number."""

    token: str
    label: str
    expires_at: int
    requests_left: int | None = None
    revoked: bool = False


@dataclass
class Refresh:
    token: str
    expires_at: int
    access: Access
    used: bool = False


@dataclass
class Code:
    code: str
    expires_at: int
    used: bool = False


@dataclass
class Client:
    """The integration, as its owner sees it in amoMarket."""

    client_id: str = "0b0832f6-d123-4123-9123-e73f236833cf"
    client_secret: str = f"{MARK}-client-Zk3tTqK0pQ"
    redirect_uri: str = "http://localhost:8765/callback"
    enabled: bool = True


@dataclass
class Lifetimes:
    """Seconds. `access_requests`: requests for which an access token is valid, None for any number."""

    code: int = 20 * 60
    access: int = DAY
    access_requests: int | None = None
    refresh: int = 90 * DAY
