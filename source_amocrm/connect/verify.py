"""The source's own check, told as facts: whose account it is and which tables the token may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from source_amocrm.account import Account
from source_amocrm.airbyte.check import EXTRAS, Impact, findings
from source_amocrm.auth.claims import claims_of
from source_amocrm.auth.long_lived import WARN_BEFORE
from source_amocrm.config.settings import LONG_LIVED, parse_config
from source_amocrm.connect.problems import Problem, problem_of
from source_amocrm.connect.signin import IMPATIENT
from source_amocrm.dates import day
from source_amocrm.errors import AmocrmError, ConfigError, FeatureOff, Forbidden, NotGranted, Unpaid
from source_amocrm.http.api import open_api
from source_amocrm.streams import STREAMS


@dataclass(frozen=True)
class Refused:
    """Tables that cannot be read, and `words["refused." + why]`."""

    streams: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Verdict:
    name: str
    domain: str
    account_id: int | None
    readable: tuple[str, ...]
    refused: tuple[Refused, ...]
    filter_works: bool
    expires: str | None  # the last day of a long-lived token
    expires_soon: bool


def verify(settings: Mapping[str, Any]) -> Verdict:
    """Asks the account and every list. Raises Problem when nothing can be read.

    The token is used as it is: a check never rotates it, so that no other copy of it becomes useless.
    """
    domain, token = settings["account_domain"], settings["credentials"]["access_token"]
    raw = {**settings, "credentials": {"auth_type": LONG_LIVED, "access_token": token}}
    claims = claims_of(token)
    try:
        config = parse_config(raw)
        account = Account(config, open_api(config, raw, IMPATIENT), EXTRAS)
        facts = account.facts()
        refused = _refused(account)
    except ConfigError as error:
        raise Problem("token_other_account", {"domain": domain}, detail=str(error)) from None
    except AmocrmError as error:
        raise problem_of(error, domain) from None
    lost = {stream for one in refused for stream in one.streams}
    long_lived = settings["credentials"]["auth_type"] == LONG_LIVED
    expires = claims.expires_at if long_lived else None
    return Verdict(
        name=_text(facts.body.get("name")) or domain,
        domain=domain,
        account_id=facts.id,
        readable=tuple(stream for stream in STREAMS if stream not in lost),
        refused=refused,
        filter_works=facts.filter_works,
        expires=day(expires) if expires else None,
        expires_soon=bool(expires and expires - facts.started < WARN_BEFORE),
    )


def _refused(account: Account) -> tuple[Refused, ...]:
    """Each table that will not be whole once, with the first reason; what the account does not have is not missing."""
    found: list[Refused] = []
    told: set[str] = set()
    for finding in findings(account):
        if finding.impact is not Impact.EMPTY and (streams := tuple(s for s in finding.streams if s not in told)):
            told.update(streams)
            found.append(Refused(streams, _why(finding.error)))
    return tuple(found)


def _why(error: AmocrmError) -> str:
    kinds: tuple[tuple[type[AmocrmError], str], ...] = (
        (NotGranted, "not_granted"),
        (Forbidden, "no_rights"),
        (FeatureOff, "off"),
        (Unpaid, "unpaid"),
    )
    return next((why for kind, why in kinds if isinstance(error, kind)), "unknown")


def _text(value: object) -> str:
    return "".join(c for c in value if c.isprintable()).strip() if isinstance(value, str) else ""
