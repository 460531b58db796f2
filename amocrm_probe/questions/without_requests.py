"""Questions that send no request: what reading cannot answer, and what every answer shows besides its rows.

The former are listed so that nobody takes their absence for an answer. The latter are refusals for too many requests,
the server's clock, and the duration.
"""

from __future__ import annotations

from functools import partial
from statistics import median

from amocrm_probe.answer import ProbeAnswer, Unanswered, Why
from amocrm_probe.probe_requests import Asking
from amocrm_probe.questions.question import Question, of_account

STEADY = 2.0
"""Largest spread of `ahead` for a steady clock (seconds): it shows whole seconds, and network delays vary."""
_SIZES = (250, 100, 50, 1)


def _throttled(ask: Asking) -> ProbeAnswer:
    """Whether a 429 carries Retry-After, if amoCRM sent one although the probe keeps the rate limit."""
    if not ask.refused:
        return ProbeAnswer("none")
    waits = sum("retry-after" in {name.lower() for name in headers} for headers in ask.refused)
    return ProbeAnswer("with_retry_after" if waits else "without", seen={"answers": len(ask.refused), "waits": waits})


def _clock(ask: Asking) -> ProbeAnswer:
    ahead = [one.ahead for one in ask.stats if one.ahead is not None]
    if not ahead:
        raise Unanswered(Why.EMPTY)
    seen = {"least": min(ahead), "middle": median(ahead), "most": max(ahead), "answers": len(ahead)}
    return ProbeAnswer("steady" if max(ahead) - min(ahead) <= STEADY else "uneven", seen=seen)


def _latency(ask: Asking) -> ProbeAnswer:
    """The median of every request's duration, and by the requested page size (milliseconds)."""
    times = {
        str(size): median(took) * 1_000
        for size in _SIZES
        if (took := [one.elapsed for one in ask.stats if one.limit == size and one.rows])
    }
    if not times:
        raise Unanswered(Why.EMPTY)
    return ProbeAnswer(round(median(one.elapsed for one in ask.stats) * 1_000), seen=times)


def _unanswered(why: Why, _: Asking) -> ProbeAnswer:
    return ProbeAnswer(why=why)


QUESTIONS = (
    *(
        Question(name, title, (), of_account(partial(_unanswered, why)))
        for name, title, why in (
            ("events_late", "How long after what happened its event shows", Why.WRITE),
            ("closest_task_bump", "Whether a task's new deadline changes the card's updated_at", Why.WRITE),
            ("merge_links", "Whether links that a merge moves have events", Why.WRITE),
            ("accept_bumps", "Whether accepting a request changes the contact's updated_at", Why.WRITE),
            ("old_token", "Whether an access token works on after its renewal", Why.WRITE),
            ("other_domains", "Which other regional domains there are", Why.ANOTHER),
        )
    ),
    Question(
        "throttled",
        "Answers 429 that came by themselves",
        ("none", "with_retry_after", "without"),
        of_account(_throttled),
    ),
    Question("clock", "The server's clock: seconds ahead of this machine's", ("steady", "uneven"), of_account(_clock)),
    Question("latency", "Milliseconds that a page takes, by its length", (), of_account(_latency)),
)
