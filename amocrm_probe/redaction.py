"""Makes the document that may be published: it holds only this program's own texts, counts and names of API fields.

An allow-list filters everything, so that an unforeseen value never gets in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from amocrm_probe.answer import ACCOUNT, Answers, ProbeAnswer
from amocrm_probe.list_shapes import OWN_FIELD, TYPES, VOCABULARIES, Shape, word_of
from amocrm_probe.lists import LISTS
from amocrm_probe.questions.question import Question

FORMAT = 1
LARGEST = 999_999
"""Largest number that is published; a larger one is cut to this, so that no id of amoCRM's gets out."""
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
TOLD = (*TYPES.values(), "null", "absent", "longest")
"""What is published of a place of a shape, beside its words."""
PLACE = re.compile(r"[a-z_]{1,40}(\.([a-z_]{1,40}|\*)){0,8}", re.ASCII)
NAME = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40}){0,2}", re.ASCII)
BRANDS = ("amocrm", "kommo")

Document = dict[str, Any]


def document(
    questions: Sequence[Question],
    answers: Mapping[str, Answers],
    shapes: Mapping[str, Shape],
    *,
    version: str,
    brand: str,
    requests: int,
) -> Document:
    """Returns everything that a probe found, fit to be published."""
    return {
        "format": FORMAT,
        "version": version if re.fullmatch(r"\d{1,4}(\.\d{1,4}){1,3}", version, re.ASCII) else "",
        "brand": brand if brand in BRANDS else "",
        "requests": _number(requests),
        "answers": {
            question.name: {
                subject: _published(question, answer)
                for subject, answer in answers.get(question.name, {}).items()
                if subject == ACCOUNT or subject in LISTS
            }
            for question in questions
        },
        "shapes": {name: _shape(name, shape) for name, shape in shapes.items() if name in LISTS},
    }


def _shape(of: str, shape: Shape) -> Document:
    places = {place: told for place, told in shape["places"].items() if PLACE.fullmatch(place)}
    return {
        "rows": _number(shape["rows"]),
        "places": {
            place: {name: _number(told[name]) for name in TOLD if name in told} | _words(of, place, told)
            for place, told in places.items()
        },
    }


def _words(of: str, place: str, told: Shape) -> Document:
    """Returns the words that stand for themselves in the place's vocabulary."""
    words = VOCABULARIES.get(of, {})
    found = {
        word: _number(count)
        for word, count in told.get("words", {}).items()
        if word in (word_of(words, place, word), OWN_FIELD)
    }
    return {"words": found} if found else {}


def _published(question: Question, answer: ProbeAnswer) -> Document:
    value = answer.value
    published: Document = {
        "answer": _number(value) if isinstance(value, int) else value if value in question.values else None
    }
    if answer.why is not None:
        published["why"] = answer.why.value
    if answer.likely:
        published["likely"] = True
    if counts := {
        name: _number(count) for name, count in answer.seen.items() if name in COUNTED or name in question.values
    }:
        published["seen"] = counts
    if names := {name: _number(times) for name, times in answer.names.items() if NAME.fullmatch(name)}:
        published["names"] = names
    return published


def _number(value: float) -> float:
    """Rounds to tenths and bounds the number by LARGEST."""
    if not math.isfinite(value):
        return 0
    bounded = max(-LARGEST, min(LARGEST, value))
    return int(bounded) if bounded == int(bounded) else round(bounded, 1)
