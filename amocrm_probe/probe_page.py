"""The page for people, made only of the document that may be published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from amocrm_probe.questions.question import Question
from amocrm_probe.redaction import Document

WHERE = (
    "probe.json holds the same: answers, counts and names of amoCRM's own fields, and no name, text, phone, id, domain "
    "or token of the account. Please attach it to an issue in the repository of this connector, so that what is "
    "assumed of amoCRM becomes what is known."
)


def page(questions: Sequence[Question], found: Document) -> str:
    lines = [
        "What the account answers to the open questions of amoCRM's API",
        f"{found['requests']} requests, none of which wrote anything.",
    ]
    for question in questions:
        answers = found["answers"].get(question.name) or {}
        lines += ["", question.title, *(f"  {line}" for line in _lines(answers))]
    return "\n".join([*lines, "", WHERE])


def _lines(answers: dict[str, Document]) -> Iterator[str]:
    """Subjects with the same sentence share a line."""
    subjects_of: dict[str, list[str]] = {}
    for subject, answer in answers.items():
        subjects_of.setdefault(_sentence(answer), []).append(subject)
    if not subjects_of:
        yield "not asked"
    for sentence, subjects in subjects_of.items():
        yield f"{', '.join(subjects)}: {sentence}"


def _sentence(answer: Document) -> str:
    value: Any = answer["answer"]
    if value is None:
        what = f"cannot be told by reading: {answer.get('why', 'the answer fits none that is known')}"
    else:
        what = str(value).replace("_", " ") + (", likely" if answer.get("likely") else "")
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in answer.get("seen", {}).items())
    names = ", ".join(f"{name} ({times})" for name, times in answer.get("names", {}).items())
    return what + (f" ({counts})" if counts else "") + (f": {names}" if names else "")
