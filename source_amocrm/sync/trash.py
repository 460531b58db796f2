"""The trash of a list: its skeletons tell deletions, also those without an event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from source_amocrm.account import Account, Resource
from source_amocrm.sync.batch import Deletion
from source_amocrm.sync.read_plan import ReadPlan
from source_amocrm.walk.listing import Listing, RawPage, Row
from source_amocrm.walk.page_size import with_smaller_pages


def in_trash(account: Account, resource: Resource, plan: ReadPlan) -> list[Deletion]:
    """Reads the deletions since the second that the plan needs."""
    listing = account.listing(resource, {"with": "only_deleted", "order[updated_at]": "desc"})
    since = plan.deletions_since
    first_sync = plan.changes_since is None or since < plan.changes_since
    return with_smaller_pages(listing, lambda some: list(deletions_in(_pages(some), some.second_of, since, first_sync)))


def with_trash(
    gone: Mapping[int, Deletion], in_trash: Iterable[Deletion], present: Iterable[int]
) -> dict[int, Deletion]:
    """Merges the deletions of events and of the trash; the later one of an entity counts.

    Leaves out entities that are `present`: this sync delivered them, and if they are gone since, the next sync's events
    tell.
    """
    all_gone = dict(gone)
    for deletion in in_trash:
        known = all_gone.get(deletion.id)
        if known is None or known.at < deletion.at:
            all_gone[deletion.id] = deletion
    for entity_id in present:
        all_gone.pop(entity_id, None)
    return all_gone


def deletions_in(
    pages: Iterable[RawPage], second_of: Callable[[Row], int | None], since: int, first_sync: bool
) -> Iterator[Deletion]:
    """Yields the deletions at `since` or later, from as few pages as possible.

    A trash that is not listed from the newest deletion down is read whole only in a first sync: afterwards the events
    tell what is new.

    Progress rule: every page brings an id that was not met.
    """
    met: set[int] = set()
    for raw in pages:
        deleted = [row for row in raw.rows if row.get("is_deleted") is True and isinstance(row.get("id"), int)]
        known = len(met)
        met |= {row["id"] for row in deleted}
        for row in deleted:
            at = second_of(row)
            if at is not None and at >= since:
                yield Deletion(row["id"], at, row.get("updated_by"), row.get("account_id"))
        dated = [second_of(row) or 0 for row in deleted]
        newest_first = dated == sorted(dated, reverse=True)
        enough = (bool(dated) and dated[-1] < since) if newest_first else not first_sync
        if len(met) == known or enough:
            return


def _pages(listing: Listing) -> Iterator[RawPage]:
    page, promised, more = 1, False, True
    while more:
        # an empty trash is the rule in a small account
        raw = (listing if promised else listing.retrying_empty(0)).ask({}, page)
        yield raw
        page, promised, more = page + 1, raw.more, raw.may_go_on
