"""What every answer shows besides its rows: refusals for haste, the server's clock, how long it takes."""

from __future__ import annotations

from statistics import median

from amocrm_probe.answer import ACCOUNT, Answers, ProbeAnswer, Why
from amocrm_probe.asking import Asking
from amocrm_probe.questions.question import Question

STEADY = 2.0
"""Seconds between the earliest and the latest reading of a clock that shows whole seconds, and a little for the way."""
_SIZES = (250, 100, 50, 1)


def throttled(ask: Asking) -> Answers:
    """The probe keeps its pace; where amoCRM refuses all the same, what the refusal told."""
    if not ask.refused:
        return {ACCOUNT: ProbeAnswer("none")}
    waits = sum("retry-after" in {name.lower() for name in headers} for headers in ask.refused)
    return {
        ACCOUNT: ProbeAnswer(
            "with_retry_after" if waits else "without", seen={"answers": len(ask.refused), "waits": waits}
        )
    }


def clock(ask: Asking) -> Answers:
    ahead = [one.ahead for one in ask.seen if one.ahead is not None]
    if not ahead:
        return {ACCOUNT: ProbeAnswer(why=Why.EMPTY)}
    seen = {"least": min(ahead), "middle": median(ahead), "most": max(ahead), "answers": len(ahead)}
    steady = max(ahead) - min(ahead) <= STEADY
    return {ACCOUNT: ProbeAnswer("steady" if steady else "uneven", seen=seen)}


def latency(ask: Asking) -> Answers:
    """Milliseconds, by how long a page was asked for."""
    times = {
        str(size): median(took) * 1_000
        for size in _SIZES
        if (took := [one.elapsed for one in ask.seen if one.limit == size and one.rows])
    }
    if not times:
        return {ACCOUNT: ProbeAnswer(why=Why.EMPTY)}
    return {ACCOUNT: ProbeAnswer(round(median(one.elapsed for one in ask.seen) * 1_000), seen=times)}


QUESTIONS = (
    Question("throttled", "Answers 429 that came by themselves", ("none", "with_retry_after", "without"), throttled),
    Question("clock", "The server's clock: seconds ahead of this machine's", ("steady", "uneven"), clock),
    Question("latency", "Milliseconds that a page takes, by its length", (), latency),
)
