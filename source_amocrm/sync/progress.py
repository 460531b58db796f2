"""What of a stream has been delivered, and what each of its lists must still be asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import NamedTuple

from source_amocrm.account.clocks import TOLERANCE
from source_amocrm.walk.listing import LAST_SECOND, Page, PageMark, Row, key, seconds
from source_amocrm.walk.spans import FOREVER, Spans

BEGINNING = 0


@dataclass(frozen=True, slots=True)
class Numbered:
    """An unfinished walk by page number over the rows changed at `since` or later: how far it came."""

    since: int
    mark: PageMark


class Version(NamedTuple):
    """A version of a row that was delivered with the date `at`; amoCRM dates it `own`."""

    at: int
    own: int


@dataclass(frozen=True, slots=True)
class Left:
    """What of a list is still to be delivered: seconds, the rest of a walk, and what only events tell.

    `within`: how far the rows of one of those seconds are delivered, in the order of their ids.
    """

    spans: Spans
    walk: Numbered | None
    deletions_since: int
    changes_since: int
    within: Numbered | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """What one list must be asked for in a sync.

    `spans` of seconds; `resume`: a walk by page number to be gone on with before that. `deletions_since`: the second
    since which deletions are wanted. `changes_since`: the one since which a row that was delivered may have changed
    unseen; None while nothing was delivered. `newest`: the second of the newest row known. `within`: a second of which
    some rows are delivered.
    """

    spans: Spans
    resume: Numbered | None = None
    deletions_since: int = BEGINNING
    changes_since: int | None = None
    newest: int | None = None
    within: Numbered | None = None

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
    """What must be asked for so that each of several readers gets what it needs; they `agree` on what to resume."""
    first = needs[0]
    if all(need == first for need in needs):
        return first
    changes = [need.changes_since for need in needs if need.changes_since is not None]
    newest = [need.newest for need in needs if need.newest is not None]
    return Need(
        spans=reduce(lambda one, other: one | other, (need.spans for need in needs)),
        resume=first.resume,
        deletions_since=min(need.deletions_since for need in needs),
        changes_since=min(changes) if changes else None,
        newest=min(newest) if newest else None,
        within=first.within if all(need.within == first.within for need in needs) else None,
    )


@dataclass
class Progress:
    """The progress of one stream.

    Everything up to `done` (the server's time when a sync started; None before the first) has been delivered, except
    for what is `left`, list by list. `newest` is each list's newest row; `ahead` holds, by list and id, what is
    delivered with a later date than the next version of it may have. `untold`: no state has told some of that yet.
    """

    stream: str
    cursor: str
    start: int | None
    lookback: int
    done: int | None = None
    left: dict[str, Left] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    ahead: dict[str, Version] = field(default_factory=dict)
    untold: bool = False
    doubted: bool = False
    """What is done is said to have been done in the future, so that all must be asked for again in the next sync."""
    needed: dict[str, Spans] = field(default_factory=dict)
    """What this sync must bring, set by `begin`."""

    def need(self, name: str) -> Need:
        """What the list `name` must be asked for in this sync."""
        start = self.start or BEGINNING
        if self.done is None:
            return Need(Spans(((start, FOREVER),)), deletions_since=start)
        since = max(self.done - self.lookback, start)
        left = self.left.get(name, Left(Spans(), None, since, since))
        return Need(
            left.spans | Spans(((since, FOREVER),)),
            left.walk,
            min(since, left.deletions_since),
            min(since, left.changes_since),
            self.newest.get(name),
            left.within if left.within and left.within.since < since else None,
        )

    def resume(self, name: str, walk: Numbered | None) -> None:
        """Go on with `walk` in place of what is left of one; with None, ask for that by its seconds."""
        left = self.left.get(name)
        if walk:
            assert self.done is not None
            self.left[name] = replace(left or Left(Spans(), None, self.done, self.done), walk=walk)
        elif left and left.walk:
            self.left[name] = replace(left, spans=left.spans | Spans(((left.walk.since, FOREVER),)), walk=None)

    def in_the_future(self, now: int) -> bool:
        """What is done is said to have been done later than `now`, by more than clocks differ.

        A clock was wrong, or a state was written by hand. Nothing tells then up to when all was read.
        """
        return self.done is not None and self.done > now + TOLERANCE

    def begin_anew(self) -> None:
        """Nothing counts as done. What is `ahead` is still so, and all that was delivered may have changed since."""
        self.done, self.left, self.newest = self.start or BEGINNING, {}, {}

    def begin(self, names: Iterable[str], started: int) -> None:
        """Everything that the lists need is left to do, up to the server's time `started`."""
        needs = {name: self.need(name) for name in names}
        self.doubted, start = self.in_the_future(started), self.start or BEGINNING
        self.done = started
        self.needed = {name: need.spans for name, need in needs.items()}
        self.left = {
            name: Left(Spans(((start, started),)), None, start, start)
            if self.doubted
            else Left(
                need.spans - (started + 1, FOREVER),
                need.resume,
                need.deletions_since,
                started if need.changes_since is None else need.changes_since,
                need.within,
            )
            for name, need in needs.items()
        }

    def cover(self, name: str, page: Page, floor: int = BEGINNING) -> None:
        """The rows of `page` have been delivered; one with a mark is part of a walk over rows since `floor`.

        A walk that begins takes the seconds since `floor` upon itself. One that is gone on with does not: it never
        meets again what it passed in an earlier sync, and what was changed there since is asked for by its seconds.
        """
        left = self.left[name]
        spans, walk, within = left.spans, left.walk, left.within
        if page.span:
            spans -= page.span
        if within and within.since not in spans:
            within = None
        if page.mark and page.second is not None:
            within = Numbered(page.second, page.mark) if page.second in spans else None
        elif page.mark:
            spans = spans if walk else spans - (floor, FOREVER)
            walk = Numbered(walk.since if walk else floor, page.mark)
        self.left[name] = replace(left, spans=spans, walk=walk, within=within)

    def walked(self, name: str) -> None:
        """The walk by page number has come to its end."""
        self.left[name] = replace(self.left[name], walk=None)

    def finish(self, name: str) -> None:
        """The list has been read whole."""
        if not self.doubted:
            self.left.pop(name, None)

    def put_off(self, name: str) -> None:
        """The account has no such list for now. What is left stays so, for the day when it has.

        Of a list that never brought a row, no row can have been deleted.
        """
        if name not in self.newest and self.done is not None:
            self.left[name] = replace(self.left[name], deletions_since=self.done, changes_since=self.done)

    def meet(self, name: str, second: int | None) -> None:
        """A row of the list `name` with this second has been delivered."""
        if second is not None and self.newest.get(name, BEGINNING) < second <= (self.done or BEGINNING):
            self.newest[name] = second

    def dated(self, name: str, row: Row, cursor: str, postdated: bool = False, at_least: int = BEGINNING) -> Row:
        """The row of the list `name`, dated `at_least` so, and later than any other version of it that was delivered.

        `postdated`: its date had not come when it was read, so that its next version may be dated earlier. A state
        must tell what is `ahead` before the row is delivered: a destination may keep what no state follows.
        """
        second = seconds(row.get(cursor))
        if second is None:
            return row
        if not self.ahead and not at_least and not postdated:
            return row
        own = f"{name}/{key(row)}"
        at, before = max(second, at_least), self.ahead.pop(own, None)
        if before and at <= before.at:
            at = before.at if before.own == second else min(before.at + 1, LAST_SECOND)
        if postdated or at > second:
            self.ahead[own] = Version(at, second)
            self.untold = self.untold or self.ahead[own] != before
        return {**row, cursor: at} if at > second else row


def agree(several: list[Progress], name: str) -> None:
    """Streams made of the list `name` date a row alike, for by that date they are joined, and go on from one place.

    The earliest of theirs: what a stream is given twice does no harm. If one of them needs everything, all begin anew.
    """
    ahead: dict[str, Version] = {}
    for progress in several:
        for own, version in progress.ahead.items():
            ahead[own] = max(version, ahead.get(own, version))
    walks = [left.walk for progress in several if (left := progress.left.get(name)) and left.walk]
    walk = None
    if walks and all(progress.done is not None for progress in several):
        walk = Numbered(min(one.since for one in walks), min((one.mark for one in walks), key=lambda mark: mark.after))
    for progress in several:
        progress.ahead = dict(ahead)
        progress.resume(name, walk)
