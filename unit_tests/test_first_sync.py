"""How many pages a list has, by few questions."""

from __future__ import annotations

import pytest

from source_amocrm.airbyte.first_sync import count_pages
from source_amocrm.walk import Row


@pytest.mark.parametrize(
    ("rows", "pages", "questions"),
    [(0, 1, 1), (1, 1, 2), (250, 1, 2), (251, 2, 4), (1_000, 4, 7), (10_000, 40, 10), (502_500, 2_010, 10)],
)
def test_pages_are_counted_by_few_questions(rows: int, pages: int, questions: int) -> None:
    asked: list[int] = []

    def row(number: int) -> list[Row]:
        asked.append(number)
        return [{"id": number}] if number <= rows else []

    assert count_pages(row, 250) == pytest.approx(pages, rel=0.05)
    assert len(asked) <= questions + 2
    assert sorted(set(asked)) == sorted(asked), "no row is asked for twice"


@pytest.mark.parametrize("rows", [[{"id": 7}], [{"id": 7}, {"id": 8}]])
def test_a_list_that_knows_no_pages_has_one(rows: list[Row]) -> None:
    assert count_pages(lambda _: rows, 250) == 1


def test_a_list_without_an_end_is_not_counted_for_ever() -> None:
    assert count_pages(lambda number: [{"id": number}], 250) == pytest.approx(100_000, rel=0.1)
