"""The claims of an access token. They are not verified: they serve to warn, never to trust."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from source_amocrm.config.trusted_hosts import SUFFIXES, is_service_host
from source_amocrm.dates import LAST_SECOND
from source_amocrm.errors import ConfigError

# Accounts of amocrm.com have become kommo.com's, and their tokens work on both
_KIN = {"amocrm.com": "kommo.com"}


@dataclass(frozen=True, slots=True)
class Claims:
    expires_at: int | None = None  # unix seconds
    account_id: int | None = None
    base_domain: str | None = None  # amocrm.ru
    api_domain: str | None = None  # api-a.amocrm.ru
    scopes: frozenset[str] | None = None  # crm, files …; None: the token names none


def claims_of(token: str) -> Claims:
    """Returns the claims of a token; empty ones if it is no JWT."""
    try:
        _, payload, _ = token.split(".")
        body = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return Claims()
    api_domain, named = _text(body.get("api_domain")), body.get("scopes")
    scopes = frozenset(text for text in named if isinstance(text, str)) if isinstance(named, list) else None
    return Claims(
        expires_at=_count(body.get("exp")),
        account_id=_count(body.get("account_id")),
        base_domain=_text(body.get("base_domain")),
        api_domain=api_domain if api_domain and is_service_host(api_domain) else None,
        scopes=scopes or None,
    )


def check_domain(claims: Claims, domain: str) -> None:
    """Raises ConfigError if another service issued the token than the account's address names."""
    issued = claims.base_domain
    configured = domain.partition(".")[2]
    if issued is None or f".{issued}" not in SUFFIXES:
        return
    if _KIN.get(issued, issued) != _KIN.get(configured, configured):
        raise ConfigError(
            f"The token is for an account at {issued}, but the account address (account_domain) is {domain}. "
            "Correct the address, or take the token from the integration in that account."
        )


def check_account(claims_account: int | None, account: Mapping[str, Any]) -> None:
    """Raises ConfigError if `account`, the body of /api/v4/account, is not the account that the token names."""
    found = account.get("id")
    if claims_account is not None and isinstance(found, int) and found != claims_account:
        raise ConfigError(
            f"The token is for the account {claims_account}, but the account address (account_domain) leads to the "
            f"account {found}. Correct the address, or take the token from the integration in that account."
        )


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LAST_SECOND:
        return None
    return int(value)


def _text(value: object) -> str | None:
    return value.strip().lower() or None if isinstance(value, str) else None
