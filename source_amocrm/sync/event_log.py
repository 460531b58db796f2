"""The events that tell what happened to entities, read once in a sync for every list that needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from source_amocrm.account.account import Account
from source_amocrm.account.once import Once
from source_amocrm.account.resources import EVENTS, Resource
from source_amocrm.errors import REFUSALS, AmocrmError, PageTooLarge
from source_amocrm.sync.changes import Changes, changes_of, essence
from source_amocrm.sync.linked_cards import LinkedCards
from source_amocrm.sync.progress import ReadPlan
from source_amocrm.walk.either_direction import keyset_either_way, newest_second
from source_amocrm.walk.full import in_passes, latest_versions
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.list_order import ListTraits
from source_amocrm.walk.listing import FilterIgnored, Listing, OrderIgnored, RawPage, Row, bounds, seconds


class EventLog:
    """The account's events of some kinds, read once in a sync for every list that needs them.

    `types_since`: the kinds to ask for, each with the earliest second that any list needs. `links_since`: the earliest
    second at which links of a delivered card may have changed (Unix seconds); None where nothing was delivered.
    """

    def __init__(self, account: Account, types_since: dict[str, int], links_since: int | None = None) -> None:
        self._account = account
        self._types_since = types_since
        self._events = Once(self._read)
        self._linked = None if links_since is None else LinkedCards(account, self._events, links_since)

    def prefetch(self) -> None:
        """Reads the events before a list needs them."""
        self._events()

    def of(self, resource: Resource, plan: ReadPlan) -> Changes:
        """What happened to the entities of a list since the seconds that its plan names."""
        events = self._told()
        changes = changes_of(events, resource.name, resource.holds_notes, plan.deletions_since, plan.changes_since)
        if self._linked and resource.has_links and plan.changes_since is not None:
            changes.touched |= self._linked.of(resource.name)
        return changes

    def _told(self) -> list[Row]:
        try:
            return self._events()
        except REFUSALS as error:
            raise AmocrmError(
                "The rows are read, but not which of them were deleted, restored or linked to others: only the events "
                f"tell that. {error}",
                failure_type=error.failure_type,
                status=error.status,
            ) from None

    def _read(self) -> list[Row]:
        """The events, the oldest first."""
        by_start: dict[int, list[str]] = {}
        for kind, since in self._types_since.items():
            by_start.setdefault(since, []).append(kind)
        events = [event for since, kinds in by_start.items() for event in events_between(self._account, kinds, since)]
        return sorted(events, key=lambda event: (seconds(event.get("created_at")) or 0, str(event.get("id"))))


def events_listing(account: Account, kinds: Iterable[str] = ()) -> Listing:
    kinds = sorted(kinds)
    params = {"filter[type][]": kinds} if kinds else {}
    return Listing(
        account.get,
        EVENTS.path,
        EVENTS.collection,
        account.events_pages.now,
        params,
        cursor=EVENTS.cursor,
        own_order=True,
        other_orders=("entity_id",) if len(kinds) == 1 else ("entity_id", "type"),
    )


def events_between(account: Account, kinds: Iterable[str], since: int, until: int | None = None) -> list[Row]:
    """The events of these kinds between two seconds, both included, each once, and of each its essence.

    `until` None: the start of the sync.
    """
    # that there are none is the rule
    listing = events_listing(account, kinds).retrying_empty(1)
    # it is asked for while the start of the sync is not known yet
    known = until or (account.facts().until if account.facts.known else None)
    try:
        first, listing = account.events_pages.ask(listing, bounds(listing, since - 1, known + 1 if known else FOREVER))
    except PageTooLarge:
        first = None
    end = known or account.facts().until
    try:
        pages = keyset_either_way(
            listing, (since, end), ListTraits(), first and _until(listing, first, end), account.pool
        )
        return [essence(row) for page in pages for row in page.rows]
    except (FilterIgnored, OrderIgnored):
        return in_no_order(account, listing, since, end, essence)[0]


def _until(listing: Listing, raw: RawPage, end: int) -> RawPage | None:
    """The page without the events after `end`; None if none is left to tell where the page ends."""
    rows = [row for row in raw.rows if (listing.second_of(row) or 0) <= end]
    return replace(raw, rows=rows) if rows or not raw.may_go_on else None


def in_no_order(
    account: Account, listing: Listing, since: int, until: int, keep: Callable[[Row], Row] = lambda row: row
) -> tuple[list[Row], int]:
    """The events between two seconds, each once, the oldest first, from a server that lists them in no order at all;
    and the second up to which none will come any more, but for what is indexed late. `keep`: what is kept of each.

    They are read in passes, and passes over a window that events enter may not end. By a clock that is ahead `until`
    has not come yet, so the window ends with the newest event that there is.
    """
    started = account.facts().started
    end = _newest(listing, max(since, started + 1), until) or min(started, until)
    frozen = listing.narrowed(bounds(listing, since - 1, end + 1))
    passes = in_passes(frozen, account.pool, lasting=True) if end >= since else ()
    parts = (replace(raw, rows=[keep(row) for row in raw.rows]) for raw in passes)
    rows = sorted(
        (row for row in latest_versions(parts) if since <= (listing.second_of(row) or 0) <= end),
        key=lambda row: listing.second_of(row) or 0,
    )
    return rows, end if end <= started else end - 1


def _newest(listing: Listing, low: int, high: int) -> int | None:
    try:
        return newest_second(listing, (low, high))
    except FilterIgnored:
        return high
