"""Expected ids of what is there now."""

from __future__ import annotations

import re

from ..sandbox.account import Account
from .common import Row, stamp

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class NotAfter(str):
    """A moment, equal to every one that is not after it: a sync tells when it began, and only that it has begun."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and MOMENT.fullmatch(other) is not None and str(other) <= str(self)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def live_entities(account: Account) -> list[Row]:
    kinds = ["leads", "contacts", "companies", *(["customers"] if account.switches.customers != "off" else [])]
    now = NotAfter(stamp(account.clock.now()))
    return [
        {"entity_type": kind, "entity_id": card["id"], "updated_at": stamp(card["updated_at"]), "listed_at": now}
        for kind in kinds
        for card in account.tables[kind]
    ]
