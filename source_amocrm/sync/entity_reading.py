"""One reading of a list of entities: its main walk, and then what only events and the trash tell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from source_amocrm.account.account import Account
from source_amocrm.account.by_ids import by_ids
from source_amocrm.account.opening import Opening
from source_amocrm.account.resources import Resource
from source_amocrm.http.answer import Params
from source_amocrm.sync.batch import Batch, with_postdated
from source_amocrm.sync.changes import Deletion, with_trash
from source_amocrm.sync.event_log import EventLog
from source_amocrm.sync.lookup import Resolver, observed
from source_amocrm.sync.main_walk import MainWalk
from source_amocrm.sync.progress import BEGINNING, ReadPlan, merged
from source_amocrm.sync.read_keys import ReadKeys
from source_amocrm.sync.settle_buffer import MOST_HELD, MOST_HELD_UNFILTERED, settled
from source_amocrm.sync.trash import in_trash
from source_amocrm.walk.listing import Page
from source_amocrm.walk.worker_pool import Prefetch

DELETIONS_AT_ONCE = 1_000


@dataclass(frozen=True)
class Readers:
    """What the streams that share a reading need of it.

    `several_rows`: one of them makes several rows of a record. `mark_deleted`: one of them wants tombstones.
    `event_log`: None if none of them needs what only events tell. `resolvers`: they take values from the list.
    """

    plans: Sequence[ReadPlan]
    params: Params
    event_log: EventLog | None
    mark_deleted: bool
    several_rows: bool
    resolvers: Sequence[Resolver]


class EntityReading:
    """One reading of a list of entities, as a chain of stages over batches."""

    def __init__(self, account: Account, resource: Resource, readers: Readers) -> None:
        self._account = account
        self._resource = resource
        self._readers = readers
        self._plan = merged(readers.plans)
        self._opening = Opening(account.listing(resource, readers.params))
        self._walk = MainWalk(account, resource, self._plan, self._opening.listing)
        self._keys = ReadKeys(readers.plans)
        self._trash = Prefetch(account.pool, lambda: in_trash(account, resource, self._plan))

    def ask_first(self) -> None:
        """Asks for the first page before the reading begins."""
        self._walk.ask_first()

    def batches(self) -> Iterator[Batch]:
        with self._opening.watched():
            yield from with_postdated(self._batches())

    def _batches(self) -> Iterator[Batch]:
        rows = self._settled(self._walked())
        yield from observed(self._keys.remembered(rows), self._readers.resolvers, lambda: self._walk.whole)
        if self._readers.event_log:
            yield from self._changed(self._readers.event_log)

    def _walked(self) -> Iterator[Batch]:
        yield from self._walk.resumed()
        if self._wants_trash:
            self._trash.start()
        yield from self._walk.batches(self._keys.delivered)

    def _settled(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches, and at their end the records that must not be delivered earlier."""
        if not self._readers.several_rows:
            return batches
        api = self._account.api
        return settled(
            batches,
            self._resource.name,
            lambda: MOST_HELD if self._account.filter_works(self._resource) else MOST_HELD_UNFILTERED,
            lambda tick: api.sleep(max(0.0, tick - api.clock())),
            self._read_again,
        )

    def _changed(self, event_log: EventLog) -> Iterator[Batch]:
        """The rows whose links or tags changed without a new updated_at, what was restored, and the tombstones."""
        changes = event_log.of(self._resource, self._plan)
        wanted = changes.to_read_again(self._keys.delivered, self._deletions_to_check())
        page = self._read_again(wanted)
        present = {row["id"] for row in page.rows}
        gone = changes.gone(wanted - present)
        if page.rows:
            for resolver in self._readers.resolvers:
                resolver.observe(page.rows)
            at_least = {entity_id: deletion.at for entity_id, deletion in gone.items()} | changes.restored
            yield Batch(self._resource.name, page, floor=BEGINNING, at_least=at_least)
        if self._readers.mark_deleted:
            yield from self._tombstones(gone, present)

    def _deletions_to_check(self) -> int | None:
        """Since when deleted entities are asked for by id, for they may be back; None: none of them is.

        A note that was deleted never comes back. Without a trash, or with a filter to ask for many at once, deletions
        are few enough to ask for each.
        """
        if self._resource.holds_notes or not self._readers.mark_deleted:
            return None
        few = self._account.filter_works(self._resource) or not self._resource.has_trash
        return self._plan.changes_since if few else None

    def _tombstones(self, gone: dict[int, Deletion], present: Collection[int]) -> Iterator[Batch]:
        if self._wants_trash:
            gone = with_trash(gone, self._trash.result(), self._keys.ids)
        if self._walk.behind:
            present = {*present, *(row["id"] for row in by_ids(self._account, self._resource, gone))}
        deletions = [deletion for entity_id, deletion in gone.items() if entity_id not in present]
        for start in range(0, len(deletions), DELETIONS_AT_ONCE):
            part = tuple(deletions[start : start + DELETIONS_AT_ONCE])
            yield Batch(self._resource.name, Page([]), part)

    def _read_again(self, ids: Iterable[int]) -> Page:
        """The entities that exist among `ids`, as they are now."""
        wanted = set(ids)
        if not wanted:
            return Page([])
        before = self._account.clocks.moment()
        rows = list(by_ids(self._account, self._resource, wanted, self._readers.params))
        after = replace(self._account.clocks.moment(), sent_at=before.sent_at)
        return Page(rows, answered=(before, after))

    @property
    def _wants_trash(self) -> bool:
        return self._readers.mark_deleted and self._resource.has_trash
