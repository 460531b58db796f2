"""What `check` asks: the account, and then one row of each list that a token may not be allowed to see.

The host of files is not asked: what the token was granted, it tells itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from source_amocrm.account.account import Account
from source_amocrm.account.resources import ABSENT, CLOSED, CUSTOMERS, EVENTS_PATH
from source_amocrm.auth.claims import check_account
from source_amocrm.errors import AmocrmError
from source_amocrm.streams import TABLES
from source_amocrm.sync.tables import Dictionary, Entities, Table, events_of

FURTHER = {"/api/v4/catalogs": "custom_fields", "/api/v4/customers/notes": "notes"}
"""Lists that not every account has, and the table that is made of them among others."""
WITHOUT_EVENTS = (
    " Only the events tell what was deleted or restored: tables whose rows can be deleted are read, and reported as "
    "not complete."
)


@dataclass(frozen=True)
class Probe:
    """A list that is asked for, and the streams that need it. `optional`: where there is none, nothing is missing."""

    path: str
    streams: tuple[str, ...]
    optional: bool


def probes() -> list[Probe]:
    """One for each list: of several lists of a table, the first."""
    streams: dict[str, tuple[str, ...]] = {}
    needed = set()
    for table in TABLES.values():
        for path, optional in _probes(table):
            streams[path] = (*streams.get(path, ()), table.name)
            needed |= set() if optional else {path}
    for path, name in FURTHER.items():
        streams[path] = (*streams.get(path, ()), name)
    return [Probe(path, names, path not in needed) for path, names in streams.items()]


def _probes(table: Table) -> Iterator[tuple[str, bool]]:
    if isinstance(table, Entities):
        for path in (table.lists[0].path, table.dictionary):
            if path:
                yield path, table.lists[0].optional
    elif isinstance(table, Dictionary):
        if table.probe:
            yield table.probe, table.absent == ABSENT
    elif events_of(table):
        yield EVENTS_PATH, False


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
    for table in TABLES.values():
        if isinstance(table, Dictionary) and table.scope and (lacking := account.not_granted(table.scope)):
            refused[table.name,] = lacking
    asked = probes()
    for probe in asked:
        error = _refusal(account, probe.path)
        if error and not (probe.optional and isinstance(error, ABSENT)):
            refused[probe.streams] = error
    needed = [refused.get(probe.streams) for probe in asked if not probe.optional]
    if needed[0] and all(needed):
        raise needed[0]
    return refused


def _refusal(account: Account, path: str) -> AmocrmError | None:
    try:
        if path.startswith(CUSTOMERS.path):
            account.require_customers(path)
        account.get(path, {"limit": 1})
    except CLOSED as error:
        return error
    return None
