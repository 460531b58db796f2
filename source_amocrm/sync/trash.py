"""What lies in an account's trash, as its skeletons tell: a second witness of deletions, besides the events."""

from __future__ import annotations

from collections.abc import Iterator

from source_amocrm.account.account import Account
from source_amocrm.account.resources import Resource
from source_amocrm.sync.event_log import Deletion
from source_amocrm.sync.progress import ReadPlan
from source_amocrm.walk.listing import Listing
from source_amocrm.walk.page_size import with_smaller_pages


def in_trash(account: Account, entities: Resource, plan: ReadPlan) -> list[Deletion]:
    """What was deleted since the needed second.

    Where the trash comes in no order only a first sync reads it whole: afterwards the events tell what is new.

    Progress rule: every page brings something that was not met.
    """
    listing = account.listing(entities, {"with": "only_deleted", "order[updated_at]": "desc"})
    return with_smaller_pages(listing, lambda smaller: list(_deletions(smaller, plan)))


def _deletions(listing: Listing, plan: ReadPlan) -> Iterator[Deletion]:
    first_sync = plan.changes_since is None or plan.deletions_since < plan.changes_since
    met: set[int] = set()
    page, more = 1, True
    while more:
        # an empty trash is the rule in a small account
        raw = (listing.retrying_empty(0) if page == 1 else listing).ask({}, page)
        deleted = [row for row in raw.rows if row.get("is_deleted") is True and isinstance(row.get("id"), int)]
        known = len(met)
        met |= {row["id"] for row in deleted}
        for row in deleted:
            at = listing.second_of(row)
            if at is not None and at >= plan.deletions_since:
                yield Deletion(row["id"], at, row.get("updated_by"), row.get("account_id"))
        dated = [listing.second_of(row) or 0 for row in deleted]
        if dated == sorted(dated, reverse=True):
            enough = bool(dated) and dated[-1] < plan.deletions_since
        else:
            enough = not first_sync
        page, more = page + 1, raw.more and len(met) > known and not enough
