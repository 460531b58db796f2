"""The questions, as data: how each is put, what may be answered, and the function that looks for the answer."""

from __future__ import annotations

from amocrm_probe.questions import (
    changes,
    filters,
    history,
    observed,
    orders,
    pages,
    parts,
    row_clock,
    shapes,
    trash,
    unread,
    vocabulary,
)
from amocrm_probe.questions.question import Question

QUESTIONS: tuple[Question, ...] = (
    *parts.QUESTIONS,
    *shapes.QUESTIONS,
    *vocabulary.QUESTIONS,
    *filters.QUESTIONS,
    *orders.QUESTIONS,
    *history.QUESTIONS,
    *trash.QUESTIONS,
    *changes.QUESTIONS,
    *row_clock.QUESTIONS,
    *pages.QUESTIONS,
    *unread.QUESTIONS,
    *observed.QUESTIONS,
)
"""In the order in which they are asked: how deep pages go takes an unknown number of requests, so it comes last."""
