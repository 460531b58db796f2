"""The form of a question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amocrm_probe.answer import MIXED, Answers
from amocrm_probe.asking import Asking


@dataclass(frozen=True)
class Question:
    """`title` is what a person reads. `choices`: the texts that may be answered, beside numbers, and nothing else."""

    name: str
    title: str
    choices: tuple[str, ...]
    answer: Callable[[Asking], Answers]

    @property
    def values(self) -> tuple[str, ...]:
        return (*self.choices, MIXED)
