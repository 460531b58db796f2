"""Durations in words."""

from __future__ import annotations

import pytest

from source_amocrm.dates import duration


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
