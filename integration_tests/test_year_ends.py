"""Six dates from April to the end of a year, of accounts in which people worked for months before access is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from testing.year_dates import played

BEGIN = "2027-09-01T08:00"
CONNECTED = "2028-03-31T20:00"
DATES = {
    "a quarter begins on a Saturday": "2028-04-01T09:00",
    "a Sunday after a Saturday on which nobody did anything": "2028-04-02T11:00",
    "a Monday": "2028-06-19T08:30",
    "the first day of September": "2028-09-01T09:05",
    "the hour that comes twice when summer time ends": "2028-10-29T02:30 2",
    "the last day of the year": "2028-12-31T18:00",
}


@pytest.fixture(scope="module")
def problems_on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], list[str]]]:
    with ExitStack() as stack:
        yield played(tmp_path_factory.mktemp("year"), stack, BEGIN, CONNECTED, DATES)


@pytest.mark.parametrize("name", DATES)
def test_a_date_of_the_year(problems_on: Callable[[str], list[str]], name: str) -> None:
    assert problems_on(name) == []
