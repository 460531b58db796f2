"""What comes in by itself: leads that wait in «Неразобранное», and talks, where the account lists them."""

from __future__ import annotations

from collections.abc import Iterator

from source_amocrm.account.account import Account
from source_amocrm.account.resources import ABSENT
from source_amocrm.streams.rows import incoming
from source_amocrm.sync.tables import Dictionary
from source_amocrm.walk.listing import Row


def _unsorted(account: Account) -> Iterator[Row]:
    return map(incoming.unsorted, account.dictionary("/api/v4/leads/unsorted", "unsorted"))


def _talks(account: Account) -> Iterator[Row]:
    return map(incoming.talk, account.dictionary("/api/v4/talks", "talks"))


TABLES = (
    Dictionary(name="unsorted", key=("unsorted_id",), rows=_unsorted, absent=ABSENT),
    Dictionary(name="talks", key=("talk_id",), rows=_talks, absent=ABSENT),
)
