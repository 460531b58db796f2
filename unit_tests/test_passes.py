"""Whole passes over a list whose rows come in another order at each request."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_amocrm.walk.listing import Answered, RawPage
from source_amocrm.walk.passes import passes_until_complete

PAGE = 5


class Restless:
    """A list without order that a row enters after each pass, or that so many leave, one after each page."""

    def __init__(self, random: Random, rows: int, leaving: int = 0) -> None:
        self.random = random
        self.ids = list(range(rows))
        self.leaving = leaving
        self.entering = not leaving

    def read(self) -> Iterator[RawPage]:
        start = 0
        while start < len(self.ids):
            order = self.random.sample(self.ids, len(self.ids))
            rows = [{"id": own} for own in order[start : start + PAGE]]
            yield RawPage(rows, start + PAGE < len(order), Answered(0, 0))
            start += PAGE
            if self.leaving:
                self.leaving -= 1
                self.ids.remove(self.random.choice(self.ids))
        if self.entering:
            self.ids.append(len(self.ids))


@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_a_list_that_rows_only_enter_is_read_to_its_end(random: Random, rows: int) -> None:
    things = Restless(random, rows)
    met = {row["id"] for raw in passes_until_complete("/api/v4/things", things.read, lasting=True) for row in raw.rows}
    assert met >= set(range(rows))


@pytest.mark.parametrize("leaving", [1, 4, 9])
@pytest.mark.parametrize("seed", range(8))
def test_a_list_that_rows_leave_is_read_until_two_passes_agree(seed: int, leaving: int) -> None:
    """Those that stay are all met, however the pages mix them up."""
    things = Restless(Random(seed), 30, leaving)
    met = {row["id"] for raw in passes_until_complete("/api/v4/things", things.read) for row in raw.rows}
    assert len(things.ids) == 30 - leaving
    assert met >= set(things.ids)
