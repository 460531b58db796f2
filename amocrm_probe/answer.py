"""What an account answers to one question, and why some questions stay without an answer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

ENOUGH = 10.0
"""Bits of evidence for an order: rows in no order at all would look so once in a thousand times."""
OFTEN = 20
"""Rows that would have shown something, had it been there."""


class Why(Enum):
    """Why a question cannot be told by reading."""

    EMPTY = "the account has no rows that would show it"
    TOO_FEW = "the account has too few rows that would show it"
    AMBIGUOUS = "the rows fit more than one answer"
    REFUSED = "amoCRM does not let the token's user read the list"
    ABSENT = "the account has no such list"
    NO_FILTER = "the filter that would show it is off"
    FAILED = "amoCRM gave no usable answer"
    WRITE = "only a write would show it"
    ANOTHER = "another account would have to be asked"
    UNCHANGED = "amoCRM says that nothing has changed"
    STILL = "nothing was changed while the account was asked"
    ALLOWANCE = "the allowance of requests was used up"


class Untold(Exception):
    """A question that cannot be told by reading."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True)
class ProbeAnswer:
    """`value`: one of the question's choices, or a number; None: `why` says why it cannot be told by reading.

    `seen`: the evidence in numbers, by what was counted. `likely`: other causes could have the same effect. `names`:
    of fields and types of the API, with the rows that had them.
    """

    value: str | int | None = None
    why: Why | None = None
    seen: Mapping[str, float] = field(default_factory=dict)
    likely: bool = False
    names: Mapping[str, int] = field(default_factory=dict)


Answers = Mapping[str, ProbeAnswer]
"""By what the question was asked of: a list, or the account."""

ACCOUNT = "account"
MIXED = "mixed"


def each(subjects: Iterable[str], answer: Callable[[str], ProbeAnswer]) -> dict[str, ProbeAnswer]:
    """The answer of each subject, or why there is none."""
    told = {}
    for subject in subjects:
        try:
            told[subject] = answer(subject)
        except Untold as untold:
            told[subject] = ProbeAnswer(why=untold.why)
    return told


def one(answer: Callable[[], ProbeAnswer]) -> dict[str, ProbeAnswer]:
    """The answer of the account as a whole."""
    return each([ACCOUNT], lambda _: answer())


def verdict(votes: Counter[str], *, least: int = 1, likely: bool = False) -> ProbeAnswer:
    """What all rows that show anything agree in. Raises Untold where there are none, or too few."""
    if not votes:
        raise Untold(Why.EMPTY)
    if len(votes) > 1:
        return ProbeAnswer(MIXED, seen=dict(votes), likely=likely)
    [(value, count)] = votes.items()
    if count < least:
        raise Untold(Why.TOO_FEW)
    return ProbeAnswer(value, seen={"rows": count}, likely=likely)


def bits(rows: int) -> float:
    """The evidence of an order that so many rows show."""
    return math.lgamma(rows + 1) / math.log(2)
