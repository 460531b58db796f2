"""One reading of a list of entities: first the main walk, then what only events and the trash tell.

Which walk reads the rows follows from the read plan, and which one takes over where the server fails it (`MainWalk`).

amoCRM dates records to the second, so a record may change again and keep its date. A stream that makes several rows of
a record could then not tell rows that the second change removed from the present ones. `settled` holds such a record
until its second has ended, then reads it once more and delivers that version.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial

from source_amocrm.account import Account, Resource, by_ids
from source_amocrm.account.availability import reading
from source_amocrm.errors import AmocrmError, PageTooLarge, Unpaid
from source_amocrm.http import Params
from source_amocrm.sync.declaration import Batch, Deletion
from source_amocrm.sync.deletions import EventLog, in_trash, with_trash
from source_amocrm.sync.lookup import Resolver
from source_amocrm.sync.read_plan import BEGINNING, ReadPlan, merged
from source_amocrm.walk import FilterIgnored, Listing, OrderIgnored, Page, PageCheckpoint, RawPage, Row
from source_amocrm.walk.id_order import LARGEST_ID, in_id_order, rest_of_second
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.keyset import keyset
from source_amocrm.walk.listing import REMEMBERED_KEYS, Answered, TiesShuffled, bounds, key, seconds
from source_amocrm.walk.newest_first import newest_first
from source_amocrm.walk.server_order import ListTraits

DELETIONS_AT_ONCE = 1_000
CLOCK_SLACK = 1
"""Seconds by which the clock of the answers may differ from the one that dates the records."""
MOST_HELD, MOST_HELD_UNFILTERED = 500, 50
"""The most records held at a time; further ones are delivered at once. Each costs a reading by id."""
READINGS = 4
"""How many times a record is read again while it changes in every second; then its last version is delivered."""


@dataclass
class MainWalk:
    """Chooses the walk that reads the rows of `resource` by the `plan`, and the next one where the server fails it."""

    account: Account
    resource: Resource
    plan: ReadPlan
    listing: Listing

    def __post_init__(self) -> None:
        self._traits = ListTraits()
        self._first: list[Callable[[], RawPage | None]] = []
        """Gives the first page, if that was requested. Emptied when the page is taken: nothing may keep its rows."""

    @property
    def behind(self) -> bool:
        """Whether rows changed faster than the walk read them, so that the newest changes are left to the next sync."""
        return self._traits.behind

    @property
    def whole(self) -> bool:
        """Whether the ended walk has read every row of the list."""
        return self.plan.at_first and not self.behind

    def ask_first(self) -> None:
        """Requests the first page if everything is wanted: that needs no filter, so it need not wait for `/account`."""
        if self.resource.by_cursor and self.plan.at_first:
            self._first.append(self.account.pool.prefetch(self._oldest_rows))

    def resumed(self) -> Iterator[Batch]:
        """Reads the rest of a walk by page number that an earlier sync began."""
        if self.plan.resume:
            yield from self._by_page_number(self.plan.resume.since, self.plan.resume.checkpoint)

    def batches(self, delivered: Set[int | str]) -> Iterator[Batch]:
        """Reads the needed rows. `delivered` grows meanwhile; rows in it are left out when a second walk takes over."""
        pages = self._by_date(self._first.pop()() if self._first else None)
        if self.resource.by_cursor and self.account.filter_may_work(self.resource):
            try:
                yield from map(Batch, pages)
                return
            except TiesShuffled as shuffled:
                since, known = shuffled.since, shuffled.delivered
                yield from _without(
                    self._by_page_number(since), lambda row: self.listing.second_of(row) == since and key(row) in known
                )
                return
            except (FilterIgnored, OrderIgnored, Unpaid) as error:
                # Only the filter may not be paid for: the list itself shows it when it is asked for without.
                if isinstance(error, Unpaid) and not self.resource.paid_filter:
                    raise
                if self.resource.paid_filter and not isinstance(error, OrderIgnored):
                    self.account.filter_is_ignored()
        before = set(delivered)
        yield from _without(self._unfiltered(), lambda row: key(row) in before)

    def _oldest_rows(self) -> RawPage | None:
        try:
            return self.listing.ask({f"order[{self.listing.cursor}]": "asc"})
        except PageTooLarge:
            return None

    def _by_date(self, first: RawPage | None) -> Iterator[Page]:
        """Reads the needed seconds, oldest first: rows edited meanwhile move into the seconds that are read last."""
        pool = self.account.pool
        intervals, within = self.plan.seconds, self.plan.within
        if within:
            yield from rest_of_second(self.listing, within.since, pool, within.checkpoint)
            intervals -= (within.since, within.since)
        for low, high in intervals.intervals:
            near = self.plan.requested_since if low == self.plan.since else low
            yield from keyset(self.listing, (near, high), self._traits, raw=first, pool=pool)
            first = None

    def _unfiltered(self) -> Iterator[Batch]:
        since = self.plan.since
        if self.resource.by_cursor and since > BEGINNING:
            try:
                yield from map(Batch, newest_first(self.listing, since))
                return
            except OrderIgnored:
                pass
        yield from self._by_page_number(since)

    def _by_page_number(self, since: int, checkpoint: PageCheckpoint | None = None) -> Iterator[Batch]:
        """Reads the rows since a second by page number, with the filter where that works."""
        listing = self.listing
        if since > BEGINNING and self.account.filter_works(self.resource):
            low = since if self.resource.by_cursor else min(since, self.plan.requested_since)
            listing = listing.narrowed(bounds(listing, low - 1, FOREVER))
        pages = map(partial(Batch, floor=since), in_id_order(listing, self.account.pool, checkpoint))
        yield from _without(pages, lambda row: (listing.second_of(row) or FOREVER) < since)
        yield Batch(Page([]), walked=True)


def _without(batches: Iterable[Batch], unwanted: Callable[[Row], bool]) -> Iterator[Batch]:
    return map(partial(Batch.without, unwanted=unwanted), batches)


@dataclass
class EntityReading:
    """Reads one list of entities for all streams that are made of it, as a chain of stages over batches.

    `plans`: the streams' read plans. `event_log`: None if none of them needs what only events tell. `mark_deleted`: one
    of them wants tombstones. `several_rows`: one of them makes several rows of a record. `resolvers`: they take values
    from the list.
    """

    account: Account
    resource: Resource
    plans: Sequence[ReadPlan]
    params: Params
    event_log: EventLog | None
    mark_deleted: bool
    several_rows: bool
    resolvers: Sequence[Resolver]

    def __post_init__(self) -> None:
        self._plan = merged(self.plans)
        self._listing = self.account.listing(self.resource, self.params)
        self.walk = MainWalk(self.account, self.resource, self._plan, self._listing)
        self._keys = ReadKeys(self.plans)
        self._trash: list[Callable[[], list[Deletion]]] = []

    def batches(self) -> Iterator[Batch]:
        with reading(self._listing):
            yield from map(with_postdated, self._batches())

    def _batches(self) -> Iterator[Batch]:
        rows = map(self._keys.added, self._settled(self._walked()))
        yield from observed(rows, self.resolvers, lambda: self.walk.whole)
        if self.event_log:
            yield from self._changed(self.event_log)

    def _walked(self) -> Iterator[Batch]:
        yield from self.walk.resumed()
        if self._wants_trash:
            read = partial(in_trash, self.account, self.resource, self._plan)
            self._trash.append(self.account.pool.prefetch(read))
        yield from self.walk.batches(self._keys.delivered)

    def _settled(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yields the batches, and after the last one the records whose second had not ended (see `settle`)."""
        if not self.several_rows:
            return batches
        api = self.account.api
        return settled(
            batches,
            lambda: MOST_HELD if self.account.filter_works(self.resource) else MOST_HELD_UNFILTERED,
            lambda tick: api.sleep(max(0.0, tick - api.clock())),
            self._read_again,
        )

    def _changed(self, event_log: EventLog) -> Iterator[Batch]:
        """Yields rows whose links or tags changed without a new `updated_at`, restored rows, and deletions."""
        changes = event_log.of(self.resource, self._plan)
        wanted = changes.to_read_again(self._keys.delivered, self._deletions_to_check())
        page = self._read_again(wanted)
        present = {row["id"] for row in page.rows}
        gone = changes.gone(wanted - present)
        if page.rows:
            for resolver in self.resolvers:
                resolver.observe(page.rows)
            at_least = {entity_id: deletion.at for entity_id, deletion in gone.items()} | changes.restored
            yield Batch(page, floor=BEGINNING, at_least=at_least)
        if self.mark_deleted:
            yield from self._tombstones(gone, present)

    def _deletions_to_check(self) -> int:
        """Returns the second since which deleted entities are read by id, because they may be back; FOREVER for none.

        A deleted note never comes back. Without a trash, or with a filter by many ids, deletions are few enough to ask.
        """
        if self.resource.holds_notes or not self.mark_deleted:
            return FOREVER
        few = self.account.filter_works(self.resource) or not self.resource.has_trash
        return self._plan.changes_since if few else FOREVER

    def _tombstones(self, gone: dict[int, Deletion], present: Collection[int]) -> Iterator[Batch]:
        trashed = self._trash.pop()() if self._wants_trash else []
        gone = with_trash(gone, trashed, self._keys.ids)
        if self.walk.behind:
            present = {*present, *(row["id"] for row in by_ids(self.account, self.resource, gone))}
        deletions = [deletion for entity_id, deletion in gone.items() if entity_id not in present]
        for start in range(0, len(deletions), DELETIONS_AT_ONCE):
            part = tuple(deletions[start : start + DELETIONS_AT_ONCE])
            yield Batch(Page([]), part)

    def _read_again(self, ids: Iterable[int]) -> Page:
        wanted = set(ids)
        if not wanted:
            return Page([])
        before = self.account.clocks.moment()
        rows = list(by_ids(self.account, self.resource, wanted, self.params))
        after = replace(self.account.clocks.moment(), sent_at=before.sent_at)
        return Page(rows, answered=(before, after))

    @property
    def _wants_trash(self) -> bool:
        return self.mark_deleted and self.resource.has_trash


class ReadKeys:
    """`delivered`: the keys of rows that every reader has been given; in a first sync REMEMBERED_KEYS of them, for a
    filter that is ignored shows at the second page.

    `ids`: the ids of all rows that came, of which there may be millions.
    """

    def __init__(self, plans: Sequence[ReadPlan]) -> None:
        self._plans = plans
        self._first_sync = merged(plans).changes_since == FOREVER
        self.delivered: set[int | str] = set()
        self.ids = array("q")

    def added(self, batch: Batch) -> Batch:
        """Stores the keys of a batch. Rows older than one of the plans needs do not count as delivered."""
        row_ids = (row.get("id") for row in batch.page.rows)
        self.ids.extend(row_id for row_id in row_ids if isinstance(row_id, int) and 0 < row_id < LARGEST_ID)
        if self._first_sync and len(self.delivered) >= REMEMBERED_KEYS:
            return batch
        floor = FOREVER if batch.floor is None else batch.floor
        for row in batch.page.rows:
            second = seconds(row.get("updated_at"))
            if second is None or second >= floor or all(second in plan.seconds for plan in self._plans):
                self.delivered.add(key(row))
        return batch


def with_postdated(batch: Batch) -> Batch:
    """Marks the rows of a batch that are dated in the future by the earlier of the two clocks."""
    now = min((one.earliest for one in batch.page.answered), default=FOREVER)
    keys = (key(row) for row in batch.page.rows if (seconds(row.get("updated_at")) or 0) > now)
    return replace(batch, postdated=frozenset(keys))


def observed(batches: Iterable[Batch], resolvers: Sequence[Resolver], whole: Callable[[], bool]) -> Iterator[Batch]:
    """Shows every row to the resolvers, and the end of the reading. `whole`: whether all of the list came."""
    failure, all_of_it = None, False

    def shown(batch: Batch) -> Batch:
        for resolver in resolvers:
            resolver.observe(batch.page.rows)
        return batch

    try:
        yield from map(shown, batches)
        all_of_it = whole()
    except AmocrmError as error:
        failure = error
        raise
    finally:
        for resolver in resolvers:
            resolver.finish(all_of_it, failure)


def settled(
    batches: Iterable[Batch],
    most_held: Callable[[], int],
    wait_until: Callable[[float], None],
    read_again: Callable[[Collection[int]], Page],
) -> Iterator[Batch]:
    """Yields the batches without held records, then these records as they are read again.

    `wait_until` sleeps until a tick of the monotonic clock. `read_again` reads the records that still exist by id.
    """
    held: dict[int, float] = {}

    def without_held(batch: Batch) -> Batch:
        edge = min((one.sent_at + min(0, one.drift) for one in batch.page.answered), default=0)
        return batch.without(lambda row: _hold(row, edge, batch.page.answered, held, most_held))

    yield from map(without_held, batches)
    for left in range(READINGS, 0, -1):
        if not held:
            return
        wait_until(max(held.values()))
        page, held = read_again(held), {}
        rows = []
        for row in page.rows:
            over = over_at(seconds(row.get("updated_at")) or 0, page.answered)
            if left > 1 and over is not None:
                held[row["id"]] = over
            else:
                rows.append(row)
        yield Batch(replace(page, rows=rows), floor=0)


def over_at(second: int, answered: Iterable[Answered]) -> float | None:
    """Returns the tick of the monotonic clock at which `second` has ended by the server's clock and by ours.

    None if it had ended when the rows were requested.
    """
    over = second + 1 + CLOCK_SLACK
    ticks = [
        one.tick + over - (one.server_time + drift)
        for one in answered
        for drift in (0, one.drift)
        if one.sent_at + 1 + drift < over and second <= one.server_time + drift + CLOCK_SLACK
    ]
    return max(ticks, default=None)


def _hold(
    row: Row, edge: float, answered: Iterable[Answered], held: dict[int, float], most_held: Callable[[], int]
) -> bool:
    """Whether the row is held. `edge`: rows changed well before that second are never held."""
    entity_id, second = row.get("id"), seconds(row.get("updated_at"))
    if not isinstance(entity_id, int) or second is None or second + CLOCK_SLACK < edge:
        return False
    over = over_at(second, answered)
    if over is None or (entity_id not in held and len(held) >= most_held()):
        return False
    held[entity_id] = over
    return True
