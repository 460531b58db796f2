"""The consent page of amoCRM, and what comes back from it: by redirect, or pasted by a person."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from source_amocrm.auth.claims import claims_of
from source_amocrm.config.hosts import is_account_host
from source_amocrm.config.settings import token
from source_amocrm.connect.words import Problem
from source_amocrm.errors import ConfigError


def is_kommo(domain: str) -> bool:
    """Accounts at amocrm.com are Kommo's, too."""
    return not domain.endswith(".amocrm.ru")


def consent_url(domain: str, client_id: str, state: str, override: str | None = None) -> str:
    """The page on which a person allows the integration to read the account.

    In the mode `post_message` it redirects the window that it is in; `popup` needs a second window.
    """
    page = override or f"https://www.{'kommo.com' if is_kommo(domain) else 'amocrm.ru'}/oauth"
    return f"{page}?{urlencode({'client_id': client_id, 'state': state, 'mode': 'post_message'})}"


def recognise(text: str) -> Mapping[str, str] | str:
    """What a person pasted: a code or a long-lived token, or the parameters of the address they were sent to.

    Raises Problem.
    """
    pasted = text.strip().strip("\"'").strip()
    if not pasted:
        raise Problem("nothing_pasted", at="pasted")
    joined = "".join(pasted.split())
    try:
        if "://" in joined:
            return dict(parse_qsl(urlsplit(joined).query, max_num_fields=50))
        if joined.lstrip("?&").startswith(("code=", "error=", "state=")):
            return dict(parse_qsl(joined.lstrip("?&"), max_num_fields=50))
        clean = token(pasted, "")
    except (ConfigError, ValueError):
        raise Problem("not_a_code", at="pasted") from None
    # every token begins with a brace and a quote in base64
    if not is_token(clean) and (clean.startswith("eyJ") or clean.count(".") > 1):
        raise Problem("broken_token", at="pasted")
    return clean


def is_token(clean: str) -> bool:
    """False for a code."""
    claims = claims_of(clean)
    return bool(claims.expires_at or claims.account_id)


def is_same(answered: str, state: str) -> bool:
    """Whether an answer belongs to the question that was asked with `state`; False for no question."""
    return bool(state) and hmac.compare_digest(answered.encode(), state.encode())


def code_of(given: Mapping[str, str], state: str, domain: str) -> str:
    """The code for `domain` from the parameters of the redirect after the question with `state`. Raises Problem."""
    refused = "error" in given
    if not is_same(given.get("state", ""), state):
        # amoCRM may leave the state out of a refusal; any page could send that
        raise Problem("wrong_state") if given.get("state") or not refused else Problem("unproven_refusal")
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
