"""What leaves of the answers: texts that stand in this program, numbers that count, and names of amoCRM's fields.

Everything else is left out because nothing lets it in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from amocrm_probe.answer import ACCOUNT, Answers, ProbeAnswer
from amocrm_probe.lists import LISTS
from amocrm_probe.questions.question import Question

FORMAT = 1
LARGEST = 999_999
"""Ids of amoCRM are longer than any count needs to be."""
COUNTED = frozenset(
    (
        "rows",
        "links",
        "there",
        "given",
        "refused",
        "asked",
        "answers",
        "waits",
        "least",
        "middle",
        "most",
        "rare",
        "account_days",
        "250",
        "100",
        "50",
        "1",
    )
)
NAME = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40}){0,2}", re.ASCII)
BRANDS = ("amocrm", "kommo")

Document = dict[str, Any]


def document(
    questions: Sequence[Question], answers: Mapping[str, Answers], *, version: str, brand: str, requests: int
) -> Document:
    """The whole of what a probe found, fit to be published."""
    return {
        "format": FORMAT,
        "version": version if re.fullmatch(r"\d{1,4}(\.\d{1,4}){1,3}", version, re.ASCII) else "",
        "brand": brand if brand in BRANDS else "",
        "requests": _number(requests),
        "answers": {
            question.name: {
                subject: _told(question, answer)
                for subject, answer in answers.get(question.name, {}).items()
                if subject == ACCOUNT or subject in LISTS
            }
            for question in questions
        },
    }


def _told(question: Question, answer: ProbeAnswer) -> Document:
    value = answer.value
    told: Document = {
        "answer": _number(value) if isinstance(value, int) else value if value in question.values else None
    }
    if answer.why is not None:
        told["why"] = answer.why.value
    if answer.likely:
        told["likely"] = True
    if counts := {
        name: _number(count) for name, count in answer.seen.items() if name in COUNTED or name in question.values
    }:
        told["seen"] = counts
    if names := {name: _number(times) for name, times in answer.names.items() if NAME.fullmatch(name)}:
        told["names"] = names
    return told


def _number(value: float) -> float:
    """A count, or a time in tenths."""
    if not math.isfinite(value):
        return 0
    near = max(-LARGEST, min(LARGEST, value))
    return int(near) if near == int(near) else round(near, 1)
