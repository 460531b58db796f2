"""Estimates how long a sync still takes, from the pages that its lists have left and the pace of their requests.

amoCRM counts no list of cards or events, but a page far behind the last one has rows or has none. A few such questions
bound the pages that are left, whatever the dates of their rows.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

SURE = 3.0  # Largest ratio of the two bounds: the middle between them is then wrong by a factor of two at most
FINE = 1.5  # Ratio of the bounds at which no further question is asked
FIRST_QUESTION = 100  # Requests of a sync before its first question. A shorter sync ends before an estimate would help.
PER_QUESTION = 25  # Requests of a sync for each question
AT_ONCE = 3  # Most questions in one round
FARTHER = 8  # How many times farther the next question lies while the end of the list is not known
NEW = 0.95  # Least part of the requested pages that is new: walks overlap, and sometimes step back
PACED = 60.0  # Time over which the pace is measured (seconds)
BRIEF = 5.0  # Least time left that an estimate tells apart from none (seconds)

Name = TypeVar("Name", bound=Hashable)


@dataclass
class PagesLeft:
    """Bounds of the pages that a list has behind a position."""

    least: int = 0
    most: float = math.inf

    @property
    def known(self) -> bool:
        return 0 < self.most <= SURE * self.least

    @property
    def middle(self) -> float:
        return (self.least + self.most) / 2

    def question(self, first: int = 0) -> int:
        """Returns the number of pages of the next question: whether the list has more. `first`: for a new list."""
        if self.most == math.inf:
            return max(first, FARTHER * self.least)
        middle = math.floor(math.sqrt(max(self.least, self.most / 16) * self.most))
        return max(self.least, min(middle, int(self.most) - 1))

    def learn(self, pages: int, more: bool) -> None:
        if more:
            self.least = max(self.least, pages + 1)
            self.most = max(self.most, self.least)
        else:
            self.most = min(self.most, pages)
            self.least = min(self.least, pages)

    def go_on(self, pages: int) -> None:
        """Moves the position behind so many requested pages, some of which may repeat others."""
        self.least, self.most = max(0, self.least - pages), max(1, self.most - pages * NEW)


@dataclass
class TimeLeft(Generic[Name]):
    """Estimates the time that the lists of a sync still take together. Its questions are answered by `has_more`.

    `has_more`: whether the list has more than so many pages behind the last one; None if amoCRM does not tell.
    """

    has_more: Callable[[Name, int], bool | None]
    pages_left: dict[Name, PagesLeft] = field(default_factory=dict)
    unread: list[Name] = field(default_factory=list)
    """The lists that are being read."""
    questions: int = 0
    _untold: set[Name] = field(default_factory=set)
    _requested: dict[Name, int] = field(default_factory=dict)
    _rounds: deque[tuple[float, int]] = field(default_factory=deque)
    """When each round ended (seconds, monotonic clock), and the pages requested by then."""

    def end_round(self, now: float, requests: int, pages: Mapping[Name, int], unread: Iterable[Name]) -> None:
        """Takes the `pages` requested so far of each list, and asks about the `unread` lists that are known least.

        `requests`: of the whole sync.
        """
        self.unread = list(unread)
        fresh = {name: count - self._requested.get(name, 0) for name, count in pages.items()}
        self._requested = dict(pages)
        self._rounds.append((now, sum(pages.values())))
        while self._rounds[0][0] < now - PACED:
            self._rounds.popleft()
        for name, count in fresh.items():
            self.pages_left.setdefault(name, PagesLeft()).go_on(count)
        for _ in range(AT_ONCE):
            least, most = self._bounds()
            asked = [name for name in self.unread if name not in self._untold]
            early = FIRST_QUESTION + (self.questions + 1) * PER_QUESTION > requests
            if early or not asked or most <= FINE * least:
                return
            name = max(asked, key=lambda one: (self.pages_left[one].most - self.pages_left[one].least, pages[one]))
            question = self.pages_left[name].question(first=2 * pages[name])
            self.questions += 1
            if (more := self.has_more(name, question)) is None:
                self._untold.add(name)
            else:
                self.pages_left[name].learn(question, more)

    @property
    def pages(self) -> float | None:
        """Pages left of all lists; None while that is not known within a factor of two."""
        least, most = self._bounds()
        return (least + most) / 2 if 0 < most <= SURE * least else None

    @property
    def seconds(self) -> float | None:
        """Time left; None while it is not known within a factor of two."""
        pages, pace = self.pages, self._pace()
        return None if pages is None or not pace else pages / pace

    def _bounds(self) -> tuple[float, float]:
        left = [self.pages_left[name] for name in self.unread]
        return max(sum(one.least for one in left), BRIEF * self._pace()), sum(one.most for one in left)

    def _pace(self) -> float:
        """Returns the pages requested a second."""
        if len(self._rounds) < 2:
            return 0.0
        (then, before), (now, pages) = self._rounds[0], self._rounds[-1]
        return (pages - before) / max(1.0, now - then)
