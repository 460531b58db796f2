"""How a list of entities is read in one sync: which walk, and what only events can tell afterwards."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from source_amocrm.account import off
from source_amocrm.account.account import Account
from source_amocrm.account.opening import Opening
from source_amocrm.account.resources import EntityList
from source_amocrm.errors import AmocrmError, TooFat
from source_amocrm.sync.batch import Batch
from source_amocrm.sync.event_log import Changes, Deletion, History
from source_amocrm.sync.progress import BEGINNING, Need, together
from source_amocrm.sync.settling import Unsettled
from source_amocrm.sync.trash import in_trash
from source_amocrm.walk.bounds import bounds
from source_amocrm.walk.keyset import Edges, keyset
from source_amocrm.walk.listing import (
    FilterIgnored,
    Found,
    Listing,
    OrderIgnored,
    Page,
    PageMark,
    Params,
    Row,
    key,
    seconds,
)
from source_amocrm.walk.numbered import numbered
from source_amocrm.walk.recent import recent
from source_amocrm.walk.spans import FOREVER

REMEMBERED_KEYS = 5_000
"""A filter that is ignored shows at the second page: so many rows back it is known what was delivered before."""
DELETIONS_AT_ONCE = 1_000
LARGEST_ID = 2**63


@dataclass
class EntityReading:
    """One reading of a list of entities for readers with these `needs`.

    `observe` sees every row; `read_through(whole, failure)` ends the main walk.
    """

    account: Account
    entities: EntityList
    needs: list[Need]
    params: Params
    history: History | None
    mark_deleted: bool
    several_rows: bool = False
    """A reader makes several rows of a record."""
    observe: Callable[[list[Row]], None] = lambda _: None
    read_through: Callable[[bool, AmocrmError | None], None] = lambda *_: None
    _seen: set[int | str] = field(default_factory=set)
    _live: array[int] = field(default_factory=lambda: array("q"))
    """The ids that the main walk brought."""
    _first: Future[Found | None] | None = None
    _skeletons: Future[list[Deletion]] | None = None
    _postdated: set[int | str] = field(default_factory=set)
    """The keys of rows whose date had not come when they were read."""

    def __post_init__(self) -> None:
        self.need = together(self.needs)
        self._edges = Edges()
        self._opening = Opening(self.entities.path)
        self._unsettled = Unsettled(self.account, self.entities, self.params) if self.several_rows else None

    def batches(self) -> Iterator[Batch]:
        with self._opening.watched(off.ANSWERS):
            for batch in self._batches():
                yield replace(batch, postdated=self._postdated)

    def _batches(self) -> Iterator[Batch]:
        whole, failure = False, None
        try:
            for batch in self._settled():
                self._remember(batch)
                self.observe(batch.page.rows)
                yield batch
            whole = self.need.at_first and not self._edges.behind
        except AmocrmError as error:
            failure = error
            raise
        finally:
            self.read_through(whole, failure)
        yield from self._after()

    def _settled(self) -> Iterator[Batch]:
        """The main walk, and at its end the records that must not be delivered earlier."""
        if self._unsettled is None:
            yield from self._main()
            return
        for batch in self._main():
            yield replace(batch, page=replace(batch.page, rows=self._unsettled.settled(batch.page.rows)))
        begun = self.account.now()
        for rows in self._unsettled.later():
            self._compare(rows, begun)
            yield Batch(self.entities.name, Page(rows), floor=BEGINNING)

    def _remember(self, batch: Batch) -> None:
        """The rows that are delivered to every reader; what is older than needed is not."""
        ids = (row.get("id") for row in batch.page.rows)
        self._live.extend(own for own in ids if isinstance(own, int) and 0 < own < LARGEST_ID)
        if self.need.changes_since is None and len(self._seen) >= REMEMBERED_KEYS:
            return
        floor = FOREVER if batch.floor is None else batch.floor
        for row in batch.page.rows:
            second = seconds(row.get("updated_at"))
            if second is None or second >= floor or all(second in need.spans for need in self.needs):
                self._seen.add(key(row))

    def _main(self) -> Iterator[Batch]:
        listing = self._listing()
        if self.need.resume:
            yield from self._by_number(listing, self.need.resume.since, self.need.resume.mark)
        self._ask_for_trash()
        first = self._first.result() if self._first else None
        if self.entities.by_cursor and self.account.filter_may_work(self.entities):
            try:
                yield from (Batch(self.entities.name, page) for page in self._by_date(listing, first))
                return
            except FilterIgnored:
                if self.entities.paid_filter:
                    self.account.filter_is_ignored()
            except OrderIgnored:
                pass
        delivered = set(self._seen)
        for batch in self._unfiltered(listing):
            page = batch.page
            rows = [row for row in page.rows if key(row) not in delivered]
            yield replace(batch, page=replace(page, rows=rows))

    def _listing(self) -> Listing:
        return replace(self.account.listing(self.entities, self.params), on_page=self._look)

    def _look(self, found: Found) -> None:
        """A page that came, in whichever thread."""
        self._opening.look(found)
        self._compare(found.rows, found.server_time)
        if self._unsettled:
            self._unsettled.look(found)

    def _compare(self, rows: list[Row], now: int) -> None:
        self._postdated.update(key(row) for row in rows if (seconds(row.get("updated_at")) or BEGINNING) > now)

    def ask_first(self) -> None:
        """The first page where everything is wanted: it needs no filter, and so not what `/account` tells."""
        if self.entities.by_cursor and self.need.at_first:
            self._first = self.account.hands.start(self._oldest_rows)

    def _oldest_rows(self) -> Found | None:
        listing = self._listing()
        try:
            return listing.ask({f"order[{listing.cursor}]": "asc"})
        except TooFat:
            return None

    def _by_date(self, listing: Listing, first: Found | None) -> Iterator[Page]:
        """The needed seconds, the oldest first: what is edited meanwhile comes to lie in those that are read last."""
        hands = self.account.hands
        for low, high in self.need.spans.parts:
            near = self.need.asked_from if low == self.need.since else low
            yield from keyset(listing, (near, high), self._edges, found=first, hands=hands)

    def _unfiltered(self, listing: Listing) -> Iterator[Batch]:
        since = self.need.since
        if self.entities.by_cursor and since > BEGINNING:
            try:
                yield from (Batch(self.entities.name, page) for page in recent(listing, since))
                return
            except OrderIgnored:
                pass
        yield from self._by_number(listing, since)

    def _by_number(self, listing: Listing, since: int, mark: PageMark | None = None) -> Iterator[Batch]:
        """A walk by page number over the rows since a second; asked with the filter where it is not an option."""
        name = self.entities.name
        if not self.entities.by_cursor and since > BEGINNING:
            low = min(since, self.need.asked_from)
            listing = listing.narrowed(bounds(listing, low - 1, FOREVER))
        for page in numbered(listing, self.account.hands, mark):
            rows = [row for row in page.rows if (listing.second_of(row) or FOREVER) >= since]
            yield Batch(name, replace(page, rows=rows), floor=since)
        yield Batch(name, Page([]), walked=True)

    def _after(self) -> Iterator[Batch]:
        """Deletions and restores, and the rows whose links or tags changed without a new updated_at."""
        if self.history is None:
            return
        notes = self.entities.collection == "notes"
        changes = self.history.of(self.entities.name, notes, self.need.deletions_since, self.need.changes_since)
        begun = self.account.now()
        rows = [] if notes else list(self._again(changes))
        self._compare(rows, begun)
        gone = dict(changes.deleted)
        if rows:
            self.observe(rows)
            back = {own: deletion.at for own, deletion in gone.items()} | changes.restored
            yield Batch(self.entities.name, Page(rows), floor=BEGINNING, back=back)
        if self.mark_deleted:
            if self.entities.has_trash:
                for deletion in self._in_trash():
                    known = gone.get(deletion.id)
                    if known is None or known.at < deletion.at:
                        gone[deletion.id] = deletion
                # What came in this sync is there, or was when its page was read: if it is not any more, or since when
                # it is back, the next sync's events tell.
                for own in self._live:
                    gone.pop(own, None)
            for row in [*rows, *(self.account.by_ids(self.entities, gone) if self._edges.behind else ())]:
                gone.pop(row["id"], None)
            found = list(gone.values())
            for start in range(0, len(found), DELETIONS_AT_ONCE):
                yield Batch(self.entities.name, Page([]), tuple(found[start : start + DELETIONS_AT_ONCE]))

    def _again(self, changes: Changes) -> Iterator[Row]:
        """The rows, as they are now, of entities that events name and that the walk did not bring.

        A merged entity that is not found is taken as deleted then, unless an event tells when it was.
        """
        wanted = set(changes.restored) | (changes.touched | set(changes.merged)) - self._seen
        since = self.need.changes_since
        # without a trash, or a filter to ask for many at once, deletions are few enough to ask for each
        if since is not None and (self.account.filter_works(self.entities) or not self.entities.has_trash):
            wanted |= {own for own, gone in changes.deleted.items() if gone.at >= since}
        for row in self.account.by_ids(self.entities, wanted, self.params):
            wanted.discard(row["id"])
            yield row
        for own in wanted & set(changes.merged):
            changes.deleted.setdefault(own, changes.merged[own])

    def _ask_for_trash(self) -> None:
        if self.mark_deleted and self.entities.has_trash:
            self._skeletons = self.account.hands.start(lambda: in_trash(self.account, self.entities, self.need))

    def _in_trash(self) -> list[Deletion]:
        asked, self._skeletons = self._skeletons, None
        if asked is None or asked.cancel():
            return in_trash(self.account, self.entities, self.need)
        return asked.result()
