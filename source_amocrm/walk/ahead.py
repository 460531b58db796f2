"""Pages that are asked for by number before the walk has come to where they begin, so that it need not wait for each.

From a row that is known, a page has a place in the list: so many pages behind that row. Rows move meanwhile, so that
such a page is a guess. Whether it follows on what has been read is for the walk to see from its rows: a wrong guess
costs a request, and nothing else.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from source_amocrm.walk.hands import Hands
from source_amocrm.walk.listing import Found

MOST_AHEAD = 8
"""Pages under way or waiting in memory."""
LEAST_OVERLAP = 2.0
"""Rows that a page shares with the one before it, so that the two can be seen to join: the row that was last, and one
of an earlier second."""
CALMER = 1 / 32
"""How much of the overlap is taken back with each page that joined; one that did not adds a row."""
TRIES = 25
"""Rows by which a page may begin earlier to have a row to count from."""
CAUTION = 1.2
"""How many times as many rows as there seem to be left are worth asking for."""
A_MOMENT = 0.05


@dataclass(slots=True)
class _Guess:
    start: int
    begins: int | None
    """The place from which on every row is asked for; None for a page that is not the first behind a row."""
    asked: Future[Found]
    refused: bool = False


class _Plan(NamedTuple):
    start: int
    place: int
    number: int
    begins: int | None


class Ahead:
    """Places are seconds counted in the direction of the walk, so that they never fall; positions count rows.

    `ask(place, number)`: that page of the rows from a place on. `edge(places, index)`: from where to ask so that the
    first row that comes is the one at `index`; None where that cannot be told. `hands`: None for a walk that asks for
    one page at a time.
    """

    def __init__(
        self,
        hands: Hands | None,
        ask: Callable[[int, int], Found],
        edge: Callable[[Sequence[int], int], int | None],
        size: int,
    ) -> None:
        self._hands = hands
        self._ask = ask
        self._edge = edge
        self._size = size
        self._most_overlap = max(LEAST_OVERLAP, size / 8)
        self._overlap = LEAST_OVERLAP
        self._guesses: deque[_Guess] = deque()
        self._end = 0
        """The position behind the last row that came or is asked for."""
        self._places: Sequence[int] = ()
        self._start = 0
        """Of the page that came last: the places of its rows, and the position of the first."""
        self._pages = 0
        self._far: int | None = None

    def head(self) -> Found | None:
        """The next page, and while it is awaited, others behind it; raises what asking for it raised. None where none
        is under way."""
        if not self._guesses:
            return None
        while not wait([self._guesses[0].asked], A_MOMENT).done:
            self.fill(self._far)
        return self._guesses[0].asked.result()

    def begins(self, here: int) -> bool:
        """Whether the next page was asked for from `here` or from before it on, and so cannot leave anything out."""
        begins = self._guesses[0].begins
        return begins is not None and begins <= here

    def pop(self) -> None:
        """The next page brings nothing new."""
        self._guesses.popleft()

    def joined(self, places: Sequence[int]) -> None:
        """The next page follows on what has been read."""
        start = self._guesses.popleft().start
        self._overlap = max(LEAST_OVERLAP, self._overlap - CALMER)
        self._came(places, start)

    def refused(self) -> None:
        """The next page does not follow on what has been read; it may, on the page that is asked for instead."""
        self._overlap = min(self._most_overlap, self._overlap + 1)
        if self._guesses[0].refused:
            self.drop()
        else:
            self._guesses[0].refused = True

    def read(self, places: Sequence[int], here: int) -> None:
        """A page was asked for from the place `here` on."""
        before = sum(place < here for place in places)
        known = sum(place < here for place in self._places)
        self._came(places, self._start + known - before)

    def drop(self) -> None:
        """Whatever is under way leads nowhere."""
        while self._guesses:
            self._guesses.pop().asked.cancel()
        self._end = self._start + len(self._places)

    def _came(self, places: Sequence[int], start: int) -> None:
        if len(places) != self._size:
            self._size = max(1, len(places))
            self.drop()
        self._places, self._start = places, start
        self._end = max(self._end, start + len(places))
        self._pages += 1

    def fill(self, far: int | None) -> None:
        """Ask for as many pages as the budget has room for. `far`: the place where the list ends, where it is known."""
        self._far = far
        if self._hands is None:
            return
        most = min(MOST_AHEAD, self._pages_left(far))
        while len(self._guesses) < most and self._hands.offer():
            plan = self._plan()
            asked = plan and self._hands.start_now(partial(self._ask, plan.place, plan.number))
            if not plan or not asked:
                return
            self._guesses.append(_Guess(plan.start, plan.begins, asked))
            self._end = plan.start + self._size

    def _pages_left(self, far: int | None) -> int:
        """By how dense the rows are; where the end is not known, the more the longer the list has proven to be."""
        if far is None:
            return self._pages // 2
        first, last = self._places[0], self._places[-1]
        return math.ceil(CAUTION * max(0, far - last) / max(1, last - first))

    def _plan(self) -> _Plan | None:
        """The position of the next page, and from which place on it has which number."""
        wanted = self._end - round(self._overlap)
        for start in range(wanted, wanted - TRIES, -1):
            index = (start - self._start) % self._size
            number = (start - self._start - index) // self._size + 1
            if 0 < index < len(self._places) and number > 0:
                place = self._edge(self._places, index)
                if place is not None:
                    return _Plan(start, place, number, self._places[index] if number == 1 else None)
        return None
