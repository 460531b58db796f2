"""The time left that a sync says, beside the truth: replayed without a server, on five accounts of different shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random

from source_amocrm.airbyte.estimate import TimeLeft

from .floor import PER_SECOND
from .line import Line, Workspace

SHAPES: Mapping[str, Mapping[str, int]] = {
    "most rows are recent": {
        "events": 2_010, "leads": 200, "contacts": 260, "companies": 60, "tasks": 200, "customers": 15,
        "notes of leads": 620, "notes of contacts": 300, "ids of cards": 500, "files": 40,
    },
    "uneven": {"events": 900, "leads": 12, "contacts": 480, "tasks": 3, "notes of leads": 5, "notes of contacts": 160},
    "old and dense": {"events": 40, "leads": 900, "contacts": 700, "companies": 400, "tasks": 250, "notes of leads": 9},
    "many notes": {"events": 300, "leads": 40, "contacts": 60, "tasks": 50, "notes of leads": 1_600, "files": 900},
    "few deals, many events": {"events": 3_500, "leads": 12, "contacts": 20, "tasks": 10, "notes of leads": 40},
}  # fmt: skip
"""Pages of each list."""
ROUND = 10.0
"""Time between two estimates (seconds)."""
POINTS = (10, 25, 50, 75)
"""Parts of a sync at which the error is told (percent)."""


@dataclass(frozen=True)
class Estimate:
    """The time left as it was said (`seconds`; None if nothing was), and in truth (`truth`), `at` seconds of a sync.

    `questions`: asked by then.
    """

    at: float
    truth: float
    seconds: float | None
    questions: int

    @property
    def ratio(self) -> float:
        return (self.seconds or 0.0) / self.truth


def replay(lists: Mapping[str, int], random: Random) -> Iterator[Estimate]:
    """Yields every estimate of a sync that reads lists of so many pages at once, at an uneven pace.

    Each list gets a share of the requests of its own, and some of its pages are requested twice.
    """
    read = dict.fromkeys(lists, 0)
    requested = dict.fromkeys(lists, 0)
    shares = {name: random.uniform(0.5, 1.5) for name in lists}
    left = TimeLeft[str](lambda name, pages: lists[name] - read[name] > pages)
    said: list[tuple[float, float | None, int]] = []
    now = 0.0
    while names := [name for name in lists if read[name] < lists[name]]:
        turns = int(PER_SECOND * ROUND * random.uniform(0.8, 1.0))
        for name in random.choices(names, [shares[name] for name in names], k=turns):
            requested[name] += read[name] < lists[name]
            read[name] += read[name] < lists[name] and random.random() > 0.03
        now += ROUND
        before = left.questions
        left.end_round(now, sum(requested.values()) + before, requested, names)
        now += (left.questions - before) / PER_SECOND
        said.append((now, left.seconds, left.questions))
    return (Estimate(at, now - at, seconds, questions) for at, seconds, questions in said if at < now)


def time_left(_: Workspace, quick: bool) -> Iterator[Line]:  # noqa: ARG001 - it takes milliseconds
    """The error of the time left at 10, 25, 50 and 75 % of a sync."""
    for shape, lists in SHAPES.items():
        said = list(replay(lists, Random(1)))
        whole = said[0].at + said[0].truth
        figures, held = {}, True
        for percent in POINTS:
            one = min(said, key=lambda estimate: abs(estimate.at - whole * percent / 100))
            figures[f"{percent} %"] = "silent" if one.seconds is None else f"{one.ratio - 1:+.0%}"
            held &= one.seconds is None or 1 / 2 <= one.ratio <= 2
        pages = sum(lists.values())
        figures |= {"questions": f"{said[-1].questions} for {pages:,} pages", "wall": f"{whole:.0f} s, replayed"}
        yield Line(f"time left, {shape}", figures, held)
