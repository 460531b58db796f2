"""What `check` asks: the account, and then one row of each list that a token may not be allowed to see."""

from __future__ import annotations

from source_amocrm.claims import check_account
from source_amocrm.errors import AmocrmError
from source_amocrm.streams import TABLES
from source_amocrm.streams.account import Account
from source_amocrm.streams.lists import ABSENT, CLOSED, EVENTS_PATH
from source_amocrm.streams.tables import Entities, events_of

DICTIONARIES = {
    "/api/v4/leads/pipelines": ("statuses",),
    "/api/v4/leads/custom_fields": ("custom_fields",),
    "/api/v4/users": ("users",),
}
OPTIONAL = {"/api/v4/catalogs": ("custom_fields",), "/api/v4/customers/notes": ("notes",)}
"""Lists that not every account has: where there are none, nothing is missing."""
WITHOUT_EVENTS = (
    " Only the events tell what was deleted or restored: tables whose rows can be deleted are read, and reported as "
    "not complete."
)


def probes() -> dict[str, tuple[str, ...]]:
    """The lists that are asked for, each with the streams that need it: of several lists, the first."""
    found: dict[str, tuple[str, ...]] = {}
    for table in TABLES.values():
        if isinstance(table, Entities):
            path = table.lists[0].path
        elif events_of(table):
            path = EVENTS_PATH
        else:
            continue
        found[path] = (*found.get(path, ()), table.name)
    return found | DICTIONARIES


def unavailable_streams(account: Account) -> list[str]:
    """A sentence for each list that the token may not read. Raises as `refused_streams` does."""
    return [
        f"Not available: {', '.join(streams)}. {error}{WITHOUT_EVENTS if error.path == EVENTS_PATH else ''}"
        for streams, error in refused_streams(account).items()
    ]


def refused_streams(account: Account) -> dict[tuple[str, ...], AmocrmError]:
    """The streams of each list that the token may not read, and why.

    Raises AmocrmError when the account cannot be read at all: a wrong address, a token that is not valid, no list
    that may be seen.
    """
    check_account(account.api.auth.account_id, account.facts().body)
    refused: dict[tuple[str, ...], AmocrmError] = {}
    asked = probes()
    for path, streams in asked.items():
        if error := _refusal(account, path):
            refused[streams] = error
    if len(refused) == len(asked):
        raise next(iter(refused.values()))
    for path, streams in OPTIONAL.items():
        if (error := _refusal(account, path)) and not isinstance(error, ABSENT):
            refused.setdefault(streams, error)
    return refused


def _refusal(account: Account, path: str) -> AmocrmError | None:
    try:
        account.get(path, {"limit": 1})
    except CLOSED as error:
        return error
    return None
