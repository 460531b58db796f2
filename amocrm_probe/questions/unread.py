"""Questions that reading cannot answer. They are listed so that nobody takes their absence for an answer."""

from __future__ import annotations

from functools import partial

from amocrm_probe.answer import ProbeAnswer, Why
from amocrm_probe.probe_requests import Asking
from amocrm_probe.questions.question import Question, of_account


def _unanswered(why: Why, _: Asking) -> ProbeAnswer:
    return ProbeAnswer(why=why)


QUESTIONS = tuple(
    Question(name, title, (), of_account(partial(_unanswered, why)))
    for name, title, why in (
        ("events_late", "How long after what happened its event shows", Why.WRITE),
        ("closest_task_bump", "Whether a task's new deadline changes the card's updated_at", Why.WRITE),
        ("merge_links", "Whether links that a merge moves have events", Why.WRITE),
        ("accept_bumps", "Whether accepting a request changes the contact's updated_at", Why.WRITE),
        ("old_token", "Whether an access token works on after its renewal", Why.WRITE),
        ("other_domains", "Which other regional domains there are", Why.ANOTHER),
    )
)
