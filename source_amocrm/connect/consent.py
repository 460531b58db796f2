"""The consent page of amoCRM, and what comes back from it: by redirect, or pasted by a person."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

from source_amocrm.auth.claims import claims_of
from source_amocrm.config.hosts import is_account_host
from source_amocrm.config.settings import token
from source_amocrm.connect.words import Problem
from source_amocrm.errors import ConfigError

_TOKEN_START = "eyJ"
"""How every token begins: with a brace and a quote in base64."""


def is_kommo(domain: str) -> bool:
    """Accounts at amocrm.com are Kommo's, too."""
    return not domain.endswith(".amocrm.ru")


def consent_url(domain: str, client_id: str, state: str, override: str | None = None) -> str:
    """The page on which a person allows the integration to read the account.

    In the mode `post_message` it redirects the window that it is in; `popup` needs a second window.
    """
    page = override or f"https://www.{'kommo.com' if is_kommo(domain) else 'amocrm.ru'}/oauth"
    return f"{page}?{urlencode({'client_id': client_id, 'state': state, 'mode': 'post_message'})}"


@dataclass(frozen=True)
class Redirect:
    """The parameters with which amoCRM sends a person back."""

    params: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Code:
    text: str = field(repr=False)


@dataclass(frozen=True)
class Token:
    text: str = field(repr=False)


Pasted = Redirect | Code | Token


def recognise(text: str) -> Pasted:
    """What a person pasted: the address they were sent to, its query, a code, a long-lived token. Raises Problem."""
    pasted = text.strip().strip("\"'").strip()
    if not pasted:
        raise Problem("nothing_pasted", at="pasted")
    joined = "".join(pasted.split())
    if "://" in joined or any(joined.lstrip("?&").startswith(name) for name in ("code=", "error=", "state=")):
        try:
            query = urlsplit(joined).query if "://" in joined else joined.lstrip("?&")
            return Redirect(dict(parse_qsl(query, max_num_fields=50)))
        except ValueError:
            raise Problem("not_a_code", at="pasted") from None
    try:
        clean = token(pasted, "")
    except ConfigError:
        raise Problem("not_a_code", at="pasted") from None
    claims = claims_of(clean)
    if claims.expires_at or claims.account_id:
        return Token(clean)
    if clean.startswith(_TOKEN_START) or clean.count(".") > 1:
        raise Problem("broken_token", at="pasted")
    return Code(clean)


def code_of(redirect: Redirect, state: str, domain: str) -> str:
    """The code for `domain` from amoCRM's answer to the question that was asked with `state`. Raises Problem."""
    given = redirect.params
    answered = given.get("state", "")
    refused = "error" in given
    if not (state and hmac.compare_digest(answered.encode(), state.encode())):
        # amoCRM may leave the state out of a refusal; any page could send that
        raise Problem("wrong_state") if answered or not refused else Problem("unproven_refusal")
    if refused:
        key = "refused" if given["error"] == "access_denied" else "consent_failed"
        raise Problem(key, {"domain": domain})
    referer = given.get("referer", domain).strip().lower()
    if not is_account_host(referer):
        raise Problem("foreign_referer")
    if referer != domain:
        raise Problem("other_account", {"granted": referer, "domain": domain})
    try:
        return token(given.get("code"), "")
    except ConfigError:
        raise Problem("no_code") from None
