"""What tokens, codes and integrations are made of. Every secret contains MARK, for outputs to be searched for."""

from __future__ import annotations

from dataclasses import dataclass

MARK = "s3cr3t"
DAY = 86_400


@dataclass
class Access:
    """One bearer token. `requests_left`: None is any number."""

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
    """The integration as its owner sees it in amoMarket."""

    client_id: str = "0b0832f6-d123-4123-9123-e73f236833cf"
    client_secret: str = f"{MARK}-client-Zk3tTqK0pQ"
    redirect_uri: str = "http://localhost:8765/callback"
    enabled: bool = True


@dataclass
class Lifetimes:
    """Seconds, and for access tokens also how many requests each is good for (None: any number)."""

    code: int = 20 * 60
    access: int = DAY
    access_requests: int | None = None
    refresh: int = 90 * DAY
