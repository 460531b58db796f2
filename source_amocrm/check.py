"""What `check` asks: the account, and then one row of each list that a token may not be allowed to see."""

from __future__ import annotations

from source_amocrm.claims import check_account
from source_amocrm.errors import AmocrmError, FeatureOff, Forbidden, NotFound
from source_amocrm.streams.account import Account

PROBES = {
    "/api/v4/leads": ("deals", "custom_fields_deals"),
    "/api/v4/contacts": ("contacts",),
    "/api/v4/companies": ("companies",),
    "/api/v4/tasks": ("tasks",),
    "/api/v4/leads/notes": ("notes",),
    "/api/v4/events": ("events", "deal_statuses"),
    "/api/v4/leads/pipelines": ("statuses",),
    "/api/v4/leads/custom_fields": ("custom_fields",),
    "/api/v4/users": ("users",),
}


def unavailable_streams(account: Account) -> list[str]:
    """A sentence for each list that the token may not read. Raises as `refused_streams` does."""
    return [f"Not available: {', '.join(streams)}. {error}" for streams, error in refused_streams(account).items()]


def refused_streams(account: Account) -> dict[tuple[str, ...], AmocrmError]:
    """The streams of each list that the token may not read, and why.

    Raises AmocrmError when the account cannot be read at all: a wrong address, a token that is not valid, no list
    that may be seen.
    """
    check_account(account.api.auth.account_id, account.facts().body)
    refused: dict[tuple[str, ...], AmocrmError] = {}
    for path, streams in PROBES.items():
        try:
            account.get(path, {"limit": 1})
        except (FeatureOff, Forbidden, NotFound) as error:
            refused[streams] = error
    if len(refused) == len(PROBES):
        raise next(iter(refused.values()))
    return refused
