"""How long a sync takes: replayed without a server, on accounts of any shape."""

from __future__ import annotations

from random import Random

import pytest

from benchmarks.time_left import SHAPES, Estimate, replay
from source_amocrm.airbyte.estimate import AT_ONCE, FIRST_QUESTION, PER_QUESTION, PagesLeft, TimeLeft

FACTOR = 2.0
TOLD_APART = 20.0
"""Time left below which an estimate need not be right (seconds): the pace of the last minute ends with its lists."""


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(5))
def test_what_is_said_is_right_within_a_factor_of_two(shape: str, seed: int) -> None:
    said = list(replay(SHAPES[shape], Random(seed)))
    wrong = [one for one in said if one.seconds is not None and one.truth > TOLD_APART and not 1 / 2 <= one.ratio <= 2]
    assert wrong == []
    after_a_quarter = [one for one in said if one.truth < 0.75 * said[0].truth and one.truth > TOLD_APART]
    assert all(one.seconds is not None for one in after_a_quarter)


@pytest.mark.parametrize("seed", range(20))
def test_any_account_is_told_right_or_not_at_all(seed: int) -> None:
    random = Random(seed)
    lists = {f"list {number}": round(10 ** random.uniform(0, 4)) for number in range(random.randint(1, 15))}
    for one in replay(lists, random):
        assert one.seconds is None or one.truth <= TOLD_APART or 1 / FACTOR <= one.ratio <= FACTOR, one


def test_the_questions_are_few() -> None:
    """A fortieth of the requests at most, and none in a short sync."""
    assert max(one.questions for one in replay({"deals": FIRST_QUESTION + PER_QUESTION - 1}, Random(1))) == 0
    for lists in SHAPES.values():
        *_, last = replay(lists, Random(1))
        assert last.questions <= sum(lists.values()) / PER_QUESTION
    *_, last = replay(SHAPES["many notes"], Random(1))
    assert last.questions <= sum(SHAPES["many notes"].values()) / 100


def test_what_amocrm_does_not_tell_is_not_asked_again_and_nothing_is_said() -> None:
    asked: list[tuple[str, int]] = []
    left = TimeLeft[str](lambda name, pages: asked.append((name, pages)))
    for number in range(1, 20):
        left.end_round(10.0 * number, 1_000, {"deals": 70 * number}, ["deals"])
        assert left.seconds is None
    assert asked == [("deals", 140)]


def test_a_sync_that_waits_keeps_what_it_knows() -> None:
    left = TimeLeft[str](lambda _, pages: pages < 600)
    left.end_round(10.0, 1_000, {"deals": 100}, ["deals"])
    left.end_round(20.0, 1_000, {"deals": 170}, ["deals"])
    known = left.pages
    assert known is not None
    assert left.questions > AT_ONCE
    left.end_round(30.0, 1_000, {"deals": 170}, ["deals"])
    assert left.pages == known
    assert left.seconds == known / (70 / 20)


def test_a_list_that_has_ended_is_not_waited_for() -> None:
    left = TimeLeft[str](lambda name, pages: name == "events" and pages < 500)
    left.end_round(10.0, 1_000, {"deals": 35, "events": 35}, ["deals", "events"])
    left.end_round(20.0, 1_000, {"deals": 70, "events": 70}, ["events"])
    assert left.pages == left.pages_left["events"].middle


@pytest.mark.parametrize("pages", [0, 1, 2, 7, 63, 64, 65, 1_000, 54_321])
def test_the_questions_enclose_any_number_of_pages(pages: int) -> None:
    left, questions = PagesLeft(), 0
    while left.least != left.most:
        question = left.question()
        left.learn(question, pages > question)
        questions += 1
    assert left.least == pages
    assert questions < 40


@pytest.mark.parametrize(
    ("left", "question"),
    [
        (PagesLeft(), 0),
        (PagesLeft(3), 24),
        (PagesLeft(10, 1_000), 250),
        (PagesLeft(100, 121), 110),
        (PagesLeft(0, 1), 0),
    ],
)
def test_the_next_question(left: PagesLeft, question: int) -> None:
    assert left.question() == question


def test_an_estimate_is_compared_with_the_truth() -> None:
    assert Estimate(10.0, 90.0, 45.0, 3).ratio == 0.5
