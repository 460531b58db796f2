"""A list is read to its end although every hand is taken by walks that wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

from source_amocrm.walk.crew import crew
from source_amocrm.walk.hands import Hands
from source_amocrm.walk.listing import Page
from source_amocrm.walk.window import Window


class Overtaken(Hands):
    """Offers a hand that another list takes first."""

    def offer(self, about_to_ask: int = 0) -> int:  # noqa: ARG002
        return 1


def test_a_hand_is_given_to_a_task_only_if_it_begins_at_once() -> None:
    hands, over = Hands(1, lambda: 5), Event()
    first = hands.start_now(over.wait)
    assert first is not None
    assert hands.start_now(over.wait) is None
    over.set()
    assert first.result()
    hands.dismiss()
    assert hands.start_now(over.wait) is None


def test_a_part_for_which_no_hand_is_left_is_read_all_the_same() -> None:
    hands, over = Overtaken(1, lambda: 5), Event()
    hands.start(over.wait)
    parts = [Window(6, 10)]

    def walk(window: Window) -> Iterator[Page]:
        low, high = window.low, window.high
        yield Page([{"id": low}])
        yield Page([{"id": high}])

    def split(_: Window, __: int) -> Window | None:
        return parts.pop() if parts else None

    pages = list(crew([Window(1, 5)], walk, hands, split))
    over.set()
    assert [row["id"] for page in pages for row in page.rows] == [1, 5, 6, 10]
