"""Random working days of an account that has not paid for the filter: the same exactness."""

from __future__ import annotations

import pytest

from .schedules import ODD, SCHEDULES, Schedule, assert_exact, tables


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_ordinary_days(seed: int) -> None:
    assert_exact(Schedule(seed, leads=25, filters=False, streams=tables(seed)))


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_odd_days(seed: int) -> None:
    """With purges, merges, and rows dated in the past and in the future."""
    assert_exact(Schedule(seed, leads=25, filters=False, menu=ODD, streams=tables(seed)))
