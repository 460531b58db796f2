"""How far and how long, word by word."""

from __future__ import annotations

import pytest

from source_amocrm.airbyte.monitor import Observation, duration, reached, seconds_left
from source_amocrm.walk.intervals import FOREVER

MAY, JUNE, JULY, AUGUST = 1746057600, 1748736000, 1751328000, 1754006400


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ([], "read to the end"),
        ([(0, AUGUST)], ""),
        ([(0, MAY)], "back to 2025-05-01"),
        ([(MAY, AUGUST)], "up to 2025-05-01"),
        ([(MAY, FOREVER)], "up to 2025-05-01"),
        ([(MAY, JULY)], "back to 2025-07-01"),
        ([(0, MAY), (JUNE, JULY)], "left: since 2025-06-01 until 2025-07-01, until 2025-05-01"),
        (
            [(0, MAY), (JUNE, JULY), (AUGUST - 1, FOREVER)],
            "left: since 2025-07-31, since 2025-06-01 until 2025-07-01 and 1 more",
        ),
    ],
)
def test_where_a_reading_is(left: list[tuple[int, int]], words: str) -> None:
    assert reached(left, AUGUST) == words


@pytest.mark.parametrize(
    ("seen", "seconds"),
    [
        ([], None),
        ([(10.0, 1000)], None),
        ([(10.0, 1000), (20.0, 1000)], None),
        ([(10.0, 1000), (20.0, 1200)], None),
        ([(10.0, 1000), (20.0, 800)], 40.0),
        ([(10.0, 1000), (15.0, 990), (30.0, 600)], 30.0),
        ([(10.0, 1000), (20.0, 0)], 0.0),
    ],
)
def test_the_time_left_goes_by_the_pace_observed(seen: list[Observation], seconds: float | None) -> None:
    assert seconds_left(seen) == seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "10 s"),
        (37, "40 s"),
        (89, "90 s"),
        (90, "2 min"),
        (1800, "30 min"),
        (5399, "90 min"),
        (5400, "1 h 30 min"),
        (100_000, "27 h 47 min"),
    ],
)
def test_a_time_is_told_as_roughly_as_it_is_known(seconds: float, words: str) -> None:
    assert duration(seconds) == words
