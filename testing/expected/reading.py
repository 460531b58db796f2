"""The moment of the reading that brings a card's row and its parts: the same in all of them."""

from __future__ import annotations

import re

from sandbox.account import Account

from .common import Row, stamp

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_CARDS = "deals contacts companies customers catalog_elements"
_LINKS = """
    deal_contacts deal_companies deal_tags deal_catalog_elements contact_companies contact_tags company_tags
    customer_contacts customer_tags
"""
READ = frozenset([*_CARDS.split(), *(f"custom_fields_{card}" for card in _CARDS.split()), *_LINKS.split()])
"""Tables of cards and of their parts."""


class AnyMoment(str):
    """A moment with microseconds that equals every other: only the moments within one destination are compared."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and _MOMENT.fullmatch(other) is not None

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def read(account: Account, tables: dict[str, list[Row]], number: int) -> dict[str, list[Row]]:
    """Returns the tables as reading `number` brings them now."""
    moment = AnyMoment(f"{(stamp(account.clock.now()) or 'Z')[:-1]}.{number:06}Z")
    return {
        name: [{**row, "read_at": moment} for row in rows] if name in READ else rows for name, rows in tables.items()
    }
