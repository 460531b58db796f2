"""amoCRM's consent page, its redirect, the settings that are made of the redirect, and the check of these settings."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from source_amocrm.account import Account
from source_amocrm.airbyte.check import EXTRAS, Impact, findings
from source_amocrm.auth import SignIn
from source_amocrm.auth.bearer import WARN_BEFORE
from source_amocrm.auth.claims import check_domain, claims_of
from source_amocrm.config import parse_config
from source_amocrm.config import settings as config
from source_amocrm.config.trusted_hosts import is_account_host
from source_amocrm.connect.connect_words import Problem, of_kind, problem_of
from source_amocrm.dates import day, iso
from source_amocrm.errors import AmocrmError, ConfigError, FeatureOff, Forbidden, NotGranted, Unpaid
from source_amocrm.http import open_api
from source_amocrm.http.backoff import RetryPolicy
from source_amocrm.http.rate_limit import Budget
from source_amocrm.http.session import AmocrmSession
from source_amocrm.http.token_endpoint import HttpTokenEndpoint
from source_amocrm.secrecy import PIECE, add_to_secrets
from source_amocrm.streams import STREAMS
from source_amocrm.streams.chats import SCOPE

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

LONGEST_KEY = 200  # Letters of a secret key; a longer one is refused. amoCRM's have 64.

IMPATIENT = RetryPolicy(
    attempts=3,
    ceiling=20,
    throttled_ceiling=20,
    longest_delay=4,
    cold_attempts=2,
    connect_timeout=6,
    read_timeout=20,
    deadline=30,
)
"""The retries and deadlines of requests that a person waits for."""


def is_kommo(domain: str) -> bool:
    """Whether the account is Kommo's. Accounts at amocrm.com are Kommo's, too."""
    return not domain.endswith(".amocrm.ru")


def consent_url(domain: str, client_id: str, state: str, override: str | None = None) -> str:
    """Returns the address of the page on which a person allows the integration to read the account.

    In the mode `post_message` the page redirects its own window; `popup` needs a second window.
    """
    page = override or f"https://www.{'kommo.com' if is_kommo(domain) else 'amocrm.ru'}/oauth"
    return f"{page}?{urlencode({'client_id': client_id, 'state': state, 'mode': 'post_message'})}"


def recognise(text: str) -> Mapping[str, str] | str:
    """Returns a pasted code or long-lived token, or the parameters of a pasted redirect address. Raises Problem."""
    pasted = text.strip().strip("\"'").strip()
    if not pasted:
        raise Problem("nothing_pasted", at="pasted")
    joined = "".join(pasted.split())
    try:
        if "://" in joined:
            return dict(parse_qsl(urlsplit(joined).query, max_num_fields=50))
        if joined.lstrip("?&").startswith(("code=", "error=", "state=")):
            return dict(parse_qsl(joined.lstrip("?&"), max_num_fields=50))
        clean = config.token(pasted, "")
    except (ConfigError, ValueError):
        raise Problem("not_a_code", at="pasted") from None
    # every token begins with a brace and a quote in base64
    if not is_token(clean) and (clean.startswith("eyJ") or clean.count(".") > 1):
        raise Problem("broken_token", at="pasted")
    return clean


def is_token(clean: str) -> bool:
    """Whether the pasted text is a token; otherwise it is a code."""
    claims = claims_of(clean)
    return bool(claims.expires_at or claims.account_id)


def is_same(text: str, secret: str) -> bool:
    """Compares a text with a secret in constant time. False if the secret is empty."""
    return bool(secret) and hmac.compare_digest(text.encode(), secret.encode())


def code_of(redirect: Mapping[str, str], state: str, domain: str) -> str:
    """Returns the code for `domain` from the parameters of the redirect of the consent with `state`. Raises Problem."""
    refused = "error" in redirect
    if not is_same(redirect.get("state", ""), state):
        # amoCRM may leave the state out of a refusal, which any page could send
        raise Problem("wrong_state") if redirect.get("state") or not refused else Problem("unproven_refusal")
    if refused:
        key = "refused" if redirect["error"] == "access_denied" else "consent_failed"
        raise Problem(key, {"domain": domain})
    referer = redirect.get("referer", domain).strip().lower()
    if not is_account_host(referer):
        raise Problem("foreign_referer")
    if referer != domain:
        raise Problem("other_account", {"granted": referer, "domain": domain})
    try:
        return config.token(redirect.get("code"), "")
    except ConfigError:
        raise Problem("no_code") from None


@dataclass(frozen=True)
class Keys:
    """The keys of an integration, from its tab «Ключи и доступы» in amoCRM."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str


def keys_of(client_id: object, client_secret: object, redirect_uri: object) -> Keys:
    """Returns the cleaned keys. Raises Problem for the first key that cannot be right."""
    names = ("client_id", "client_secret", "redirect_uri")
    keys = Keys(*map(key_of, names, (client_id, client_secret, redirect_uri)))
    add_to_secrets(keys.client_secret)
    return keys


def key_of(name: str, pasted: object) -> str:
    """Returns one of the Keys, cleaned. Raises Problem for its field if it cannot be right."""
    try:
        clean = config.redirect_uri(pasted) if name == "redirect_uri" else config.token(pasted, name)
    except ConfigError:
        raise Problem(name, at=name) from None
    if (name == "client_id" and not _UUID.fullmatch(clean)) or (name == "client_secret" and len(clean) > LONGEST_KEY):
        raise Problem(name, at=name)
    return clean


def exchange(domain: str, api_base_url: str | None, keys: Keys, code: str) -> dict[str, Any]:
    """Exchanges the code of a consent for the source's `credentials`. Raises Problem.

    The secret key goes to the account itself, whatever a redirect says. Only secrets that amoCRM accepts are remembered
    for masking: on a page that is open to the world, strangers could fill the memory with codes of their own.
    """
    endpoint = HttpTokenEndpoint(AmocrmSession(Budget(7), IMPATIENT))
    request = {**vars(keys), "grant_type": "authorization_code", "code": code}
    try:
        grant = endpoint.exchange(SignIn(api_base_url or f"https://{domain}"), request)
    except AmocrmError as error:
        problem = problem_of(error, domain)
        if problem.key == "token_rejected":
            problem = Problem("exchange_refused", problem.params, problem.detail)
        # a text that quotes enough of a secret to be of use holds one of these pieces
        pieces = [re.findall(f".{{{PIECE}}}", secret) or [secret] for secret in (code, keys.client_secret)]
        if any(piece in problem.detail for piece in chain(*pieces)):
            problem.detail = ""
        raise problem from None
    for secret in (keys.client_secret, code, grant.access_token, grant.refresh_token):
        add_to_secrets(secret)
    return {
        "auth_type": config.OAUTH,
        **vars(keys),
        "refresh_token": grant.refresh_token,
        "access_token": grant.access_token,
        "token_expiry_date": iso(grant.server_time + grant.expires_in),
    }


def long_lived(domain: str, token: str) -> dict[str, Any]:
    """The source's `credentials` for a token that a person created. Raises Problem."""
    add_to_secrets(token)
    claims = claims_of(token)
    if claims.expires_at is not None and claims.expires_at <= time.time():
        raise Problem("token_expired", {"day": day(claims.expires_at)}, at="pasted")
    try:
        check_domain(claims, domain)
    except ConfigError as error:
        raise Problem("token_other_service", {"domain": domain}, detail=str(error), at="pasted") from None
    return {"auth_type": config.LONG_LIVED, "access_token": token}


def settings_of(
    domain: str, api_base_url: str | None, credentials: Mapping[str, Any], chat_texts: bool = False
) -> dict[str, Any]:
    """Returns the whole content of config.json."""
    chosen = {"chat_texts": chat_texts, "api_base_url": api_base_url, "credentials": dict(credentials)}
    return {"account_domain": domain, **{name: value for name, value in chosen.items() if value}}


@dataclass(frozen=True)
class Verdict:
    """The result of a check. `refused`: by tables, the reason `why` they cannot be read: `words["refused." + why]`."""

    name: str
    account_id: int | None
    readable: tuple[str, ...]
    refused: Mapping[tuple[str, ...], str]
    filter_works: bool
    lacks_texts: bool  # the texts of chats are wanted, and the token says that it may not read them
    expires: str | None  # the last day of a long-lived token
    expires_soon: bool


def verify(settings: Mapping[str, Any]) -> Verdict:
    """Checks the account and every list. Raises Problem if nothing can be read.

    Never renews the token, because that would spend the refresh token.
    """
    domain, token = settings["account_domain"], settings["credentials"]["access_token"]
    raw = {**settings, "credentials": {"auth_type": config.LONG_LIVED, "access_token": token}}
    try:
        parsed = parse_config(raw)
        account = Account(parsed, open_api(parsed, raw, IMPATIENT), EXTRAS)
        facts = account.facts()
        refused = _refused(account)
    except ConfigError as error:
        raise Problem("token_other_account", {"domain": domain}, detail=str(error)) from None
    except AmocrmError as error:
        raise problem_of(error, domain) from None
    lost = {*chain(*refused)}
    expires = claims_of(token).expires_at if settings["credentials"]["auth_type"] == config.LONG_LIVED else None
    return Verdict(
        name="".join(filter(str.isprintable, str(facts.body.get("name") or ""))).strip() or domain,
        account_id=facts.id,
        readable=tuple(stream for stream in STREAMS if stream not in lost),
        refused=refused,
        filter_works=facts.filter_works,
        lacks_texts=parsed.chat_texts and account.not_granted(SCOPE) is not None,
        expires=day(expires) if expires else None,
        expires_soon=bool(expires and expires - facts.started < WARN_BEFORE),
    )


_WHY: Mapping[type, str] = {NotGranted: "not_granted", Forbidden: "no_rights", FeatureOff: "off", Unpaid: "unpaid"}


def _refused(account: Account) -> dict[tuple[str, ...], str]:
    """Lists every table that a sync will leave incomplete, once, with the first reason.

    Tables of parts that the account does not have are complete and empty.
    """
    refused: dict[tuple[str, ...], str] = {}
    for finding in findings(account):
        streams = tuple(stream for stream in finding.streams if stream not in chain(*refused))
        if streams and finding.impact is not Impact.EMPTY:
            refused[streams] = of_kind(finding.errors[0], _WHY, "unknown")
    return refused
