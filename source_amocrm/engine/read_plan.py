"""The progress of a stream (`Progress`), and the part of one list that a sync must therefore read (`ReadPlan`)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from source_amocrm.account.clocks import TOLERANCE
from source_amocrm.dates import LAST_SECOND, iso
from source_amocrm.walk import Page, PageCheckpoint
from source_amocrm.walk.intervals import FOREVER, IntervalSet
from source_amocrm.walk.listing import Key

LOGGER = logging.getLogger("airbyte")
BEGINNING = 0
MOST_INCOMPLETE = 100
"""The most stretches of seconds that a sync leaves to be read again; each costs the next sync a request."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a walk by page number over the rows changed at `since` or later resumes."""

    since: int
    checkpoint: PageCheckpoint


class Version(NamedTuple):
    """A delivered version of a row: `at` is the date in the delivered row, `dated` is amoCRM's own."""

    at: int
    dated: int


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """The part of a list that is still to be delivered: the rest of a walk by page number, then `seconds` of the cursor
    field, and what only events tell.

    `deletions_since`, `changes_since`: the second since which a row may have been deleted, or a delivered row may have
    changed without a new updated_at; FOREVER while nothing was delivered. `newest`: the second of the newest row known.
    `partial_second`: one of `seconds`, whose rows are delivered up to that checkpoint in the order of their IDs.
    `read_again`: cards that events or other cards named, and that perhaps not every stream of the list has got. The
    next sync reads them by ID, because nothing may name them then: a merged company names its deals until it is
    trashed.
    """

    seconds: IntervalSet
    resume: ResumePoint | None = None
    deletions_since: int = BEGINNING
    changes_since: int = FOREVER
    newest: int | None = None
    partial_second: ResumePoint | None = None
    read_again: frozenset[int] = frozenset()

    @property
    def needs_everything(self) -> bool:
        """Whether everything is needed, because nothing was delivered before."""
        return self.changes_since == FOREVER and self.since == BEGINNING

    @property
    def since(self) -> int:
        return self.seconds.intervals[0][0]

    @property
    def requested_since(self) -> int:
        """The first second to request.

        Begins no later than the newest row we know: it must come back, so an empty page proves the response wrong. An
        unfinished walk in the order of IDs does not know the newest row.
        """
        return self.since if self.newest is None or self.resume else min(self.newest, self.since)


NOTHING = ReadPlan(IntervalSet(), deletions_since=FOREVER)


def merged(plans: Sequence[ReadPlan]) -> ReadPlan:
    """Returns the plan that serves all of several streams, which `agree` has made resume the same walk."""
    partial_second = plans[0].partial_second
    return ReadPlan(
        seconds=IntervalSet.of(interval for plan in plans for interval in plan.seconds.intervals),
        resume=plans[0].resume,
        deletions_since=min(plan.deletions_since for plan in plans),
        changes_since=min(plan.changes_since for plan in plans),
        newest=min((plan.newest for plan in plans if plan.newest is not None), default=None),
        partial_second=partial_second if all(plan.partial_second == partial_second for plan in plans) else None,
        read_again=frozenset[int]().union(*(plan.read_again for plan in plans)),
    )


@dataclass
class Progress:
    """The progress of one stream.

    Everything up to `watermark` (the server's time when a sync started; None before the first) has been delivered,
    except for what is `pending`, list by list. `newest`: the second of each list's newest row. `postdated`: by list
    and key, rows we delivered under a later date than amoCRM's; the next version must be dated later still, or the
    destination keeps the old one. `unsaved`: the next rows need a state before them, as `postdated` or `read_again` has
    changed.
    """

    stream: str
    cursor: str
    start: int | None
    lookback: int
    watermark: int | None = None
    pending: dict[str, ReadPlan] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    postdated: dict[str, Version] = field(default_factory=dict)
    begun: int | None = None
    """The start of the sync that began to read the stream from the beginning (Unix seconds); None if nobody knows."""
    unsaved: bool = False
    doubted: bool = False
    """Whether the watermark lay in the future when this sync began. Then the next sync must read everything again."""
    needed: dict[str, IntervalSet] = field(default_factory=dict)
    """The seconds that this sync must deliver, by list; set by `begin`."""
    incomplete: dict[str, IntervalSet] = field(default_factory=dict)
    """The seconds with rows that this sync delivers without some columns, by list; the next sync reads them again."""
    shared: dict[str, ReadPlan] = field(default_factory=dict)
    """The plans that `agree` made for several streams, by list."""

    def plan(self, name: str) -> ReadPlan:
        if name in self.shared:
            return self.shared[name]
        start = self.start or BEGINNING
        if self.watermark is None:
            return ReadPlan(IntervalSet(((start, FOREVER),)), deletions_since=start)
        since = max(self.watermark - self.lookback, start)
        pending = self.pending.get(name, NOTHING)
        return ReadPlan(
            pending.seconds | IntervalSet(((since, FOREVER),)),
            pending.resume,
            min(since, pending.deletions_since),
            min(since, pending.changes_since),
            self.newest.get(name),
            pending.partial_second if pending.partial_second and pending.partial_second.since < since else None,
            pending.read_again,
        )

    def resume(self, name: str, walk: ResumePoint | None) -> None:
        """Replaces the pending walk by `walk`. With None its rows become pending by their seconds instead."""
        pending = self.pending.get(name, NOTHING)
        if pending.resume and not walk:
            pending = replace(pending, seconds=pending.seconds | IntervalSet(((pending.resume.since, FOREVER),)))
        if pending.resume or walk:
            self.pending[name] = replace(pending, resume=walk)

    def in_the_future(self, now: int) -> bool:
        """Whether the watermark is later than `now` by more than two clocks may differ.

        Then a clock was wrong, or someone wrote the state, and what was delivered is unknown.
        """
        return self.watermark is not None and self.watermark > now + TOLERANCE

    def restart_from_the_future(self, now: int) -> None:
        """Resets the progress if its watermark lies in the future, because such a state proves nothing.

        `postdated` stays: those dates were delivered.
        """
        if self.in_the_future(now):
            LOGGER.warning(
                "%s: its saved state says that all was read up to %s, and that has not come yet. A clock was wrong, "
                "and nothing tells what was passed over, so the stream is read anew%s.",
                self.stream,
                iso(self.watermark or BEGINNING),
                "" if self.start is None else f" from {iso(self.start)} on",
            )
            self.watermark, self.pending, self.newest, self.begun = self.start or BEGINNING, {}, {}, None

    def begin(self, names: Iterable[str], started: int) -> None:
        """Begins a sync: everything that its plans for the lists `names` need up to `started` becomes pending.

        `started`: Unix seconds, server clock.
        """
        self.doubted, start = self.in_the_future(started), self.start or BEGINNING
        if self.doubted:
            LOGGER.warning(
                "%s: by amoCRM's clock its saved state is of a time that has not come yet. If that is right, rows may "
                "have been passed over, so the next sync reads the stream anew.",
                self.stream,
            )
        plans = {name: self.plan(name) for name in names}
        self.begun = None if self.doubted else self.begun or started
        self.watermark = started
        self.needed = {name: plan.seconds for name, plan in plans.items()}
        everything = ReadPlan(IntervalSet(((start, FOREVER),)), None, start, start)
        self.pending = {
            name: replace(
                plan, seconds=plan.seconds - (started + 1, FOREVER), changes_since=min(plan.changes_since, started)
            )
            for name, plan in (dict.fromkeys(plans, everything) if self.doubted else plans).items()
        }

    def cover(self, name: str, page: Page, taken_since: int = BEGINNING, walked: bool = False) -> None:
        """Marks the rows of `page` as delivered. A page with a checkpoint belongs to a walk over rows dated
        `taken_since` or later.
        `walked`: that walk has come to its end.

        A new walk covers everything since then. A resumed walk does not: it never meets rows that an earlier sync
        passed, so their changes are read by their seconds instead.
        """
        pending = self.pending[name]
        intervals, walk, partial_second = pending.seconds, pending.resume, pending.partial_second
        if page.completed:
            intervals = intervals - page.completed | self.incomplete.get(name, NOTHING.seconds)
        if partial_second and partial_second.since not in intervals:
            partial_second = None
        if page.checkpoint and page.second is not None:
            partial_second = ResumePoint(page.second, page.checkpoint) if page.second in intervals else None
        elif page.checkpoint:
            intervals = intervals if walk else intervals - (taken_since, FOREVER)
            walk = ResumePoint(walk.since if walk else taken_since, page.checkpoint)
        self.pending[name] = replace(
            pending, seconds=intervals, resume=None if walked else walk, partial_second=partial_second
        )

    def finish(self, name: str, deletions_delivered: bool = True, changes_delivered: bool = True) -> None:
        """Marks all that was needed of the list as delivered.

        Deletions that this sync ignores, changes that closed events hide, and the seconds of incomplete rows stay
        pending.
        """
        if self.doubted or not (pending := self.pending.pop(name, None)):
            return
        seconds, now = self.incomplete.get(name, NOTHING.seconds), self.watermark or BEGINNING
        if seconds or not (deletions_delivered and changes_delivered):
            deletions_since = now if deletions_delivered else pending.deletions_since
            changes_since = now if changes_delivered else pending.changes_since
            self.pending[name] = ReadPlan(seconds, deletions_since=deletions_since, changes_since=changes_since)

    def mark_incomplete(self, name: str, second: int | None) -> None:
        """Marks a second as one to read again. Past MOST_INCOMPLETE the oldest seconds are dropped."""
        if second is not None:
            seconds = self.incomplete.get(name, NOTHING.seconds) | IntervalSet(((second, second),))
            self.incomplete[name] = IntervalSet(seconds.intervals[-MOST_INCOMPLETE:])

    def begin_to_read_again(self, name: str, cards: Iterable[int]) -> None:
        """Notes the cards of the next rows. Those before them have been delivered, which the same state says."""
        self.pending[name] = replace(self.pending[name], read_again=frozenset(cards))
        self.unsaved = True

    def postpone(self, name: str) -> None:
        """Marks the list as missing for now. What is pending stays pending until the account has the list.

        A list of which nothing was ever delivered can have no deleted row.
        """
        pending, now = self.pending[name], self.watermark or BEGINNING
        if name not in self.newest and pending.seconds == IntervalSet(((self.start or BEGINNING, now),)):
            self.pending[name] = replace(pending, deletions_since=now, changes_since=now)

    def note_newest(self, name: str, seconds: Iterable[int | None]) -> None:
        latest, watermark = self.newest.get(name, BEGINNING), self.watermark or BEGINNING
        newest = max((second for second in seconds if second is not None and second <= watermark), default=latest)
        if newest > latest:
            self.newest[name] = newest

    def date(
        self, name: str, row_key: Key, second: int | None, postdated: bool = False, at_least: int = BEGINNING
    ) -> int | None:
        """Returns the date to deliver for a row of the list `name` that amoCRM dates `second`: no earlier than
        `at_least`, and later than any other delivered version of the row.

        `postdated`: the row was read before `second`, so its next version may be dated earlier. Save its entry in
        `self.postdated` in a state before emitting the row, for a destination may keep rows after the last state.
        """
        if second is None or not (self.postdated or at_least or postdated):
            return second
        version = f"{name}/{row_key}"
        at, before = max(second, at_least), self.postdated.pop(version, None)
        if before and at <= before.at:
            at = before.at if before.dated == second else min(before.at + 1, LAST_SECOND)
        if postdated or at > second:
            self.postdated[version] = Version(at, second)
            self.unsaved = self.unsaved or self.postdated[version] != before
        return at


def agree(several: list[Progress], name: str, one_reading: bool = False) -> None:
    """Makes the streams of the list `name` resume one walk, and date a row alike.

    They resume the walk at the earliest of their checkpoints: a row that is delivered twice does no harm. If one stream
    needs everything, all read the list from its beginning.

    `one_reading`: they make a card's row and its parts, which belong together only if one reading brought them. So each
    stream delivers whatever one of them needs, and everything if one began anew without the others.
    """
    begun = {progress.begun for progress in several if progress.begun is not None}
    apart = one_reading and len(begun) > 1
    postdated: dict[str, Version] = {}
    for progress in several:
        for row_key, version in progress.postdated.items():
            postdated[row_key] = max(version, postdated.get(row_key, version))
    walks = [plan.resume for progress in several if (plan := progress.pending.get(name)) and plan.resume]
    walk = None
    new = any(progress.watermark is None for progress in several)
    if walks and not new and not apart:
        walk = ResumePoint(
            min(one.since for one in walks),
            min((one.checkpoint for one in walks), key=lambda checkpoint: checkpoint.after_id),
        )
    for progress in several:
        progress.postdated = dict(postdated)
        progress.resume(name, walk)
    if one_reading:
        plan = merged([progress.plan(name) for progress in several])
        if apart:
            plan = replace(plan, seconds=IntervalSet(((several[0].start or BEGINNING, FOREVER),)), partial_second=None)
        for progress in several:
            progress.shared[name] = plan
            progress.begun = None if new or apart else next(iter(begun), None)
