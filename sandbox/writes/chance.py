"""Draws the rows of random writes."""

from __future__ import annotations

from random import Random
from typing import Any

from ..account import Account

CARDS = ("leads", "contacts", "companies")


def some(account: Account, rng: Random, name: str) -> int | None:
    ids = account.tables[name].index("id")
    return ids[rng.randrange(len(ids))][1] if ids else None


def some_kind(rng: Random) -> str:
    return rng.choice(("leads", "leads", *CARDS))


def line(name: str, *arguments: Any) -> str:
    return " ".join((name, *map(str, arguments)))
