"""One reading of a list of entities: first the main walk, then what only events and the trash tell.

The read plan decides which walk reads the rows. If the server ignores its filter or order, another walk takes over.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from source_amocrm.account import Account, Resource, by_ids
from source_amocrm.account.availability import broken_off_if_begun
from source_amocrm.engine.deletions import EventLog, in_trash
from source_amocrm.engine.lookup import Resolver
from source_amocrm.engine.read_plan import BEGINNING, ReadPlan, merged
from source_amocrm.errors import AmocrmError, Unpaid
from source_amocrm.http import Params
from source_amocrm.walk import Deletion, FilterIgnored, OrderIgnored, Page, PageCheckpoint
from source_amocrm.walk.by_page_number import in_id_order, newest_first
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.keyset import keyset, one_second
from source_amocrm.walk.listing import LARGEST_ID, REMEMBERED_KEYS, Key, TiesShuffled, bounds, key, seconds
from source_amocrm.walk.server_order import ListTraits

DELETIONS_AT_ONCE = 1_000  # in one page
READ_AGAIN_AT_ONCE = 250  # records that events name, in one page: five requests


@dataclass
class EntityReading:
    """Reads one list of entities for all streams that are made of it, as a chain of stages over pages.

    `plans`: the streams' read plans. `needs_events`: a stream needs what only the events of `event_log` tell.
    `mark_deleted`: a stream wants tombstones. `resolvers`: they take values from the list.
    """

    account: Account
    resource: Resource
    plans: Sequence[ReadPlan]
    params: Params
    event_log: EventLog
    needs_events: bool
    mark_deleted: bool
    resolvers: Sequence[Resolver]

    def __post_init__(self) -> None:
        self._plan = merged(self.plans)
        self._listing = self.account.listing(self.resource, self.params)
        self._traits = ListTraits()
        self.delivered = set[Key]()
        """The keys of rows that every stream takes.

        A first sync keeps only the first REMEMBERED_KEYS: they matter only if the server ignores the filter, which the
        first pages show.
        """
        self.ids = array("q")  # The ids of all rows that came, of which there may be millions
        self._trash: Callable[[], list[Deletion]] = list
        self._links = self.event_log.walk_of(self.resource)

    def pages(self) -> Generator[Page, None, None]:
        with broken_off_if_begun(self._listing):
            pages = self._walked()
            for stage in STAGES:
                pages = stage(self, pages)
            yield from pages

    def _walked(self) -> Iterator[Page]:
        if resume := self._plan.resume:
            yield from self._by_page_number(resume.since, resume.checkpoint)
        if self.mark_deleted and self.resource.has_trash:
            self._trash = self.account.pool.prefetch(partial(in_trash, self.account, self.resource, self._plan))
        yield from self._main_walk()

    def _main_walk(self) -> Iterator[Page]:
        """Reads the needed rows. If another walk takes over, leaves out the rows that the walk before it delivered."""
        if self.resource.by_cursor and self.account.filter_may_work(self.resource):
            try:
                yield from self._by_date()
                return
            except TiesShuffled as shuffled:
                since, known = shuffled.since, shuffled.delivered
                for page in self._by_page_number(since):
                    yield page.without(lambda row: self._listing.second_of(row) == since and key(row) in known)
                return
            except (FilterIgnored, OrderIgnored, Unpaid) as error:
                # Perhaps only the filter is not paid for; if the list is not, a request without the filter shows it.
                if isinstance(error, Unpaid) and not self.resource.paid_filter:
                    raise
                if self.resource.paid_filter and not isinstance(error, OrderIgnored):
                    self.account.filter_is_ignored()
        before = set(self.delivered)
        for page in self._not_by_date():
            yield page.without(lambda row: key(row) in before)

    def _by_date(self) -> Iterator[Page]:
        """Reads the needed seconds, oldest first: rows edited meanwhile move into the seconds that are read last."""
        intervals, partial_second = self._plan.seconds, self._plan.partial_second
        if partial_second:
            yield from one_second(self._listing, partial_second.since, checkpoint=partial_second.checkpoint)
            intervals -= (partial_second.since, partial_second.since)
        for low, high in intervals.intervals:
            start = self._plan.requested_since if low == self._plan.since else low
            yield from keyset(self._listing, (start, high), self._traits)

    def _not_by_date(self) -> Iterator[Page]:
        since = self._plan.since
        if self.resource.by_cursor and since > BEGINNING:
            try:
                yield from newest_first(self._listing, since)
                return
            except OrderIgnored:
                pass
        yield from self._by_page_number(since)

    def _by_page_number(self, since: int, checkpoint: PageCheckpoint | None = None) -> Iterator[Page]:
        """Reads the rows of the second `since` or later by page number, filtered if the filter works."""
        listing = self._listing
        if since > BEGINNING and self.account.filter_works(self.resource):
            low = since if self.resource.by_cursor else min(since, self._plan.requested_since)
            listing = listing.narrowed(bounds(listing, low - 1, FOREVER))
        for page in in_id_order(listing, checkpoint):
            yield replace(page, taken_since=since).without(lambda row: (listing.second_of(row) or FOREVER) < since)
        yield Page([], walked=True)

    def remembered(self, pages: Iterable[Page]) -> Iterator[Page]:
        """Remembers the keys and the links of every row."""
        try:
            self.account.require(self.resource.path)
            for page in pages:
                self._remember(page)
                yield page
        finally:
            if self._links:
                self._links.ended.set()

    def looked_up(self, pages: Iterable[Page]) -> Iterator[Page]:
        """Shows the resolvers every row and the end of the walk."""
        whole, failure = False, None
        try:
            for page in pages:
                for resolver in self.resolvers:
                    resolver.observe(page.rows)
                yield page
            whole = self._plan.needs_everything and not self._traits.behind
        except AmocrmError as error:
            failure = error
            raise
        finally:
            for resolver in self.resolvers:
                resolver.finish(whole, failure)

    def with_changes(self, pages: Iterable[Page]) -> Iterator[Page]:
        """Adds, after the walk, what only events and the trash tell."""
        yield from pages
        if self.needs_events:
            yield from self._changed()

    def _remember(self, page: Page) -> None:
        """Remembers the IDs of all rows, and the keys of rows that every stream takes: these count as delivered."""
        if self._links and self.event_log.wants_links:
            self._links.note(page.rows)
        row_ids = (row.get("id") for row in page.rows)
        self.ids.extend(row_id for row_id in row_ids if isinstance(row_id, int) and 0 < row_id < LARGEST_ID)
        if self._plan.changes_since == FOREVER and len(self.delivered) >= REMEMBERED_KEYS:
            return
        for row in page.rows:
            second = seconds(row.get("updated_at"))
            if second is None or second >= page.taken_since or all(second in plan.seconds for plan in self.plans):
                self.delivered.add(key(row))

    def _changed(self) -> Iterator[Page]:
        """Yields rows whose links or tags changed without a new `updated_at`, restored rows, and deletions."""
        changes = self.event_log.changes(self.resource, self._plan)
        named = changes.to_read_again(self.delivered, self._deletions_to_check())
        wanted = sorted(named | self._plan.read_again - self.delivered)
        at_least = {entity_id: deletion.at for entity_id, deletion in changes.deleted.items()} | changes.restored
        present = set[int]()
        for start in range(0, len(wanted), READ_AGAIN_AT_ONCE):
            page = self._read_again(wanted[start : start + READ_AGAIN_AT_ONCE])
            present.update(row["id"] for row in page.rows)
            for resolver in self.resolvers:
                resolver.observe(page.rows)
            yield replace(page, taken_since=BEGINNING, at_least=at_least, by_id=self.resource.has_links)
        yield from self._of_returned_cards()
        if self.mark_deleted:
            yield from self._tombstones(changes.gone({*wanted} - present), present)

    def _of_returned_cards(self) -> Iterator[Page]:
        """Yields the notes or tasks of cards that came back from the trash, but for those delivered by this sync."""
        for name, cards in self.event_log.returned(self.resource, self._plan):
            params: Params = {"filter[entity_id][]": cards}
            if not self.resource.holds_notes:
                params = {**params, "filter[entity_type]": name}
            for page in in_id_order(self._listing.narrowed(params)):
                rows = [row for row in page.rows if row.get("entity_id") in cards and key(row) not in self.delivered]
                yield Page(rows, taken_since=BEGINNING, answered=page.answered)

    def _deletions_to_check(self) -> int:
        """Returns the second since which deleted entities are read by id, because they may be back; FOREVER for none.

        A deleted note never comes back. With a trash, an event tells of a return, also of one before the first sync.
        Without a trash only the row tells, and a sync that does not read all rows may not have met it.
        """
        if self.resource.holds_notes or not self.mark_deleted or self._plan.needs_everything:
            return FOREVER
        if not self.resource.has_trash:
            return self._plan.deletions_since
        return self._plan.changes_since if self.account.filter_works(self.resource) else FOREVER

    def _tombstones(self, gone: dict[int, Deletion], present: Collection[int]) -> Iterator[Page]:
        """Yields the deletions of events and of the trash; the later one of an entity counts.

        Leaves out entities that this sync has read: if they are gone since, the next sync's events tell.
        """
        for deletion in self._trash():
            if deletion.id not in gone or gone[deletion.id].at < deletion.at:
                gone[deletion.id] = deletion
        for entity_id in self.ids:
            gone.pop(entity_id, None)
        if self._traits.behind:
            # rows that changed faster than the walk read them are left to the next sync
            present = {*present, *(row["id"] for row in by_ids(self.account, self.resource, gone))}
        deletions = [deletion for entity_id, deletion in gone.items() if entity_id not in present]
        for start in range(0, len(deletions), DELETIONS_AT_ONCE):
            yield Page([], deletions=tuple(deletions[start : start + DELETIONS_AT_ONCE]))

    def _read_again(self, ids: Iterable[int]) -> Page:
        before = self.account.clocks.moment()
        rows = list(by_ids(self.account, self.resource, ids, self.params))
        return Page(rows, answered=(before, self.account.clocks.moment()))


STAGES = (EntityReading.remembered, EntityReading.looked_up, EntityReading.with_changes)
"""What happens to the pages of a walk, in order. Then each stream's `Delivery` makes rows and checkpoints of them."""
