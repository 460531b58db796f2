"""Expected ids of live cards."""

from __future__ import annotations

import re

from sandbox.account import Account

from .common import Row, stamp

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


class NotAfter(str):
    """A time that equals every earlier or equal time, as `listed_at` is some time before the comparison."""

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
