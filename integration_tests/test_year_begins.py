"""Six dates from the end of a year to that of its first quarter, of accounts that are connected when two months old."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from testing.year_dates import played

BEGIN = "2027-11-01T08:00"
CONNECTED = "2027-12-31T18:00"
DATES = {
    "the last day of a year": "2027-12-31T18:30",
    "a year, a quarter and a month begin": "2028-01-01T10:00",
    "the middle of a month": "2028-01-17T12:00",
    "the 29th of February": "2028-02-29T17:00",
    "summer time begins": "2028-03-26T10:00",
    "the last day of a quarter": "2028-03-31T19:00",
}


@pytest.fixture(scope="module")
def problems_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], list[str]]]:
    with ExitStack() as stack:
        yield played(tmp_path_factory.mktemp("year"), stack, BEGIN, CONNECTED, DATES)


@pytest.mark.parametrize("name", DATES)
def test_a_date_of_the_year(problems_on: Callable[[str], list[str]], name: str) -> None:
    assert problems_on(name) == []
