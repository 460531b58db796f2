"""What of a stream has been delivered, and what each of its lists must still be asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce

from source_amocrm.walk.listing import Page, PageMark, Row, key, seconds
from source_amocrm.walk.spans import FOREVER, Spans

BEGINNING = 0


@dataclass(frozen=True, slots=True)
class Numbered:
    """An unfinished walk by page number over the rows changed at `since` or later: how far it came."""

    since: int
    mark: PageMark


@dataclass(frozen=True, slots=True)
class Left:
    """What of a list is still to be delivered: seconds, the rest of a walk, and what only events tell."""

    spans: Spans
    walk: Numbered | None
    deletions_since: int
    changes_since: int


@dataclass(frozen=True, slots=True)
class Need:
    """What one list must be asked for in a sync.

    `spans` of seconds; `resume`: a walk by page number to be gone on with before that. `deletions_since`: the second
    since which deletions are wanted. `changes_since`: the one since which a row that was delivered may have changed
    unseen; None while nothing was delivered. `newest`: the second of the newest row known.
    """

    spans: Spans
    resume: Numbered | None = None
    deletions_since: int = BEGINNING
    changes_since: int | None = None
    newest: int | None = None

    @property
    def at_first(self) -> bool:
        """Everything is needed, for nothing was delivered before."""
        return self.changes_since is None and self.since == BEGINNING

    @property
    def since(self) -> int:
        """The first second needed; BEGINNING when everything is."""
        return self.spans.parts[0][0]

    @property
    def asked_from(self) -> int:
        """The first second to ask for: that of the newest row known if all that is needed is newer, for then no
        answer can be empty."""
        return self.since if self.newest is None else min(self.newest, self.since)


def together(needs: list[Need]) -> Need:
    """What must be asked for so that each of several readers gets what it needs."""
    first = needs[0]
    if all(need == first for need in needs):
        return first
    changes = [need.changes_since for need in needs if need.changes_since is not None]
    newest = [need.newest for need in needs if need.newest is not None]
    return Need(
        spans=reduce(lambda one, other: one | other, (need.spans for need in needs)),
        deletions_since=min(need.deletions_since for need in needs),
        changes_since=min(changes) if changes else None,
        newest=min(newest) if newest else None,
    )


@dataclass
class Progress:
    """The progress of one stream.

    Everything up to `done` (the server's time when a sync started; None before the first) has been delivered, except
    for what is `left`, list by list. `newest` is each list's newest row; `ahead` holds the rows that were delivered
    with a later date than their next version may have.
    """

    stream: str
    cursor: str
    start: int | None
    lookback: int
    done: int | None = None
    left: dict[str, Left] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    ahead: dict[str, int] = field(default_factory=dict)
    needed: dict[str, Spans] = field(default_factory=dict)
    """What this sync must bring, set by `begin`."""

    def need(self, name: str) -> Need:
        """What the list `name` must be asked for in this sync."""
        start = self.start or BEGINNING
        if self.done is None:
            return Need(Spans(((start, FOREVER),)), deletions_since=start)
        since = max(self.done - self.lookback, start)
        left = self.left.get(name, Left(Spans(), None, since, since))
        spans = left.spans | Spans(((since, FOREVER),))
        return Need(
            spans,
            left.walk,
            min(since, left.deletions_since),
            min(since, left.changes_since),
            self.newest.get(name),
        )

    def begin(self, names: Iterable[str], started: int) -> None:
        """Everything that the lists need is left to do, up to the server's time `started`."""
        needs = {name: self.need(name) for name in names}
        self.done = started
        self.needed = {name: need.spans for name, need in needs.items()}
        self.left = {
            name: Left(
                need.spans - (started + 1, FOREVER),
                need.resume,
                need.deletions_since,
                started if need.changes_since is None else need.changes_since,
            )
            for name, need in needs.items()
        }

    def cover(self, name: str, page: Page, floor: int = BEGINNING) -> None:
        """The rows of `page` have been delivered; one with a mark is part of a walk over rows since `floor`."""
        left = self.left[name]
        spans, walk = left.spans, left.walk
        if page.span:
            spans -= page.span
        if page.mark:
            spans, walk = spans - (floor, FOREVER), Numbered(floor, page.mark)
        self.left[name] = Left(spans, walk, left.deletions_since, left.changes_since)

    def walked(self, name: str) -> None:
        """The walk by page number has come to its end."""
        left = self.left[name]
        self.left[name] = Left(left.spans, None, left.deletions_since, left.changes_since)

    def finish(self, name: str) -> None:
        """The list has been read whole."""
        self.left.pop(name, None)

    def put_off(self, name: str) -> None:
        """The account has no such list for now. What is left stays so, for the day when it has.

        Of a list that never brought a row, no row can have been deleted.
        """
        if name not in self.newest and self.done is not None:
            self.left[name] = Left(self.left[name].spans, None, self.done, self.done)

    def meet(self, name: str, second: int | None) -> None:
        """A row of the list `name` with this second has been delivered."""
        if second is not None and self.newest.get(name, BEGINNING) < second <= (self.done or BEGINNING):
            self.newest[name] = second

    def dated(self, row: Row, cursor: str, now: int, at_least: int = BEGINNING) -> Row:
        """The row, dated no earlier than any version of it that was delivered, and `at_least`.

        `now` is the server's time: what is dated later may well be dated earlier the next time.
        """
        second = seconds(row.get(cursor))
        if second is None:
            return row
        if not self.ahead and not at_least and second <= now:
            return row
        own = str(key(row))
        raised = max(self.ahead.pop(own, BEGINNING), at_least)
        if second > now or raised > second:
            self.ahead[own] = max(second, raised)
        return {**row, cursor: raised} if raised > second else row


def agree(several: list[Progress]) -> None:
    """Streams made of one list date a row alike, whatever each has delivered before: by that date they are joined."""
    ahead: dict[str, int] = {}
    for progress in several:
        for own, second in progress.ahead.items():
            ahead[own] = max(second, ahead.get(own, BEGINNING))
    for progress in several:
        progress.ahead = dict(ahead)
