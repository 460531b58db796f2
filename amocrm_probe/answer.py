"""The answer to one question, and the reasons for which a question stays without one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

ENOUGH = 10.0
"""Least evidence for an order (bits): rows in random order would look sorted once in a thousand times."""
OFTEN = 20
"""Least number of rows without an effect from which its absence is concluded. With fewer the question stays open."""


class Why(Enum):
    """The reason for which reading does not answer a question, as users see it."""

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


class Unanswered(Exception):
    """A question that reading does not answer."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True)
class ProbeAnswer:
    """The answer for one list or for the account.

    `value`: one of the question's choices, or a number; None when `why` has the reason. `seen`: the evidence, as
    numbers by their names. `likely`: whether other causes could have the same effect. `names`: fields and types of the
    API, with the number of rows that have them.
    """

    value: str | int | None = None
    why: Why | None = None
    seen: Mapping[str, float] = field(default_factory=dict)
    likely: bool = False
    names: Mapping[str, int] = field(default_factory=dict)


Answers = Mapping[str, ProbeAnswer]
"""The answers to one question by subject: the name of a list, or ACCOUNT."""

ACCOUNT = "account"
MIXED = "mixed"


def each(subjects: Iterable[str], answer: Callable[[str], ProbeAnswer]) -> dict[str, ProbeAnswer]:
    """Returns each subject's answer, or the reason why there is none."""
    answers = {}
    for subject in subjects:
        try:
            answers[subject] = answer(subject)
        except Unanswered as unanswered:
            answers[subject] = ProbeAnswer(why=unanswered.why)
    return answers


def verdict(votes: Counter[str], *, least: int = 1, likely: bool = False) -> ProbeAnswer:
    """Returns the value for which every row votes, or MIXED. Raises Unanswered for fewer than `least` votes."""
    if not votes:
        raise Unanswered(Why.EMPTY)
    if len(votes) > 1:
        return ProbeAnswer(MIXED, seen=dict(votes), likely=likely)
    [(value, count)] = votes.items()
    if count < least:
        raise Unanswered(Why.TOO_FEW)
    return ProbeAnswer(value, seen={"rows": count}, likely=likely)


def bits(rows: int) -> float:
    """Returns the evidence of an order that `rows` rows show: log2 of the number of their possible orders."""
    return math.lgamma(rows + 1) / math.log(2)
