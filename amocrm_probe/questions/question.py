"""The class of the questions, and the functions that make one for the account or for lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from amocrm_probe.answer import ACCOUNT, MIXED, Answers, ProbeAnswer, each
from amocrm_probe.lists import LISTS, List
from amocrm_probe.probe_requests import Asking


@dataclass(frozen=True)
class Question:
    """`title`: for people. `choices`: the only texts that may be answered; numbers always may."""

    name: str
    title: str
    choices: tuple[str, ...]
    answer: Callable[[Asking], Answers]

    @property
    def values(self) -> tuple[str, ...]:
        return (*self.choices, MIXED)


def of_account(answer: Callable[[Asking], ProbeAnswer]) -> Callable[[Asking], Answers]:
    """Makes `Question.answer` of a function that answers for the account as a whole."""
    return lambda ask: each([ACCOUNT], lambda _: answer(ask))


def of_lists(names: Iterable[str], answer: Callable[[Asking, List], ProbeAnswer]) -> Callable[[Asking], Answers]:
    """Makes `Question.answer` of a function that answers for one list."""
    return lambda ask: each(names, lambda name: answer(ask, LISTS[name]))
