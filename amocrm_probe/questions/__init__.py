"""The questions, as data: the title, the possible answers, and the function that finds the answer."""

from __future__ import annotations

from amocrm_probe.questions import (
    changes,
    filters,
    history,
    orders,
    pages,
    parts,
    shapes,
    trash,
    without_requests,
)
from amocrm_probe.questions.question import Question

QUESTIONS: tuple[Question, ...] = (
    *parts.QUESTIONS,
    *shapes.QUESTIONS,
    *filters.QUESTIONS,
    *orders.QUESTIONS,
    *history.QUESTIONS,
    *trash.QUESTIONS,
    *changes.QUESTIONS,
    *pages.QUESTIONS,
    *without_requests.QUESTIONS,
)
"""In the order of asking. `deep_pages` takes an unknown number of requests, so no module that sends follows `pages`."""
