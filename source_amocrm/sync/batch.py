"""What a reading of a list hands to the streams that share it: a page, and what else happened to the list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from source_amocrm.sync.changes import Deletion
from source_amocrm.walk.listing import Page, key, seconds


@dataclass(frozen=True, slots=True)
class Batch:
    """A part of the list `name`.

    `floor`: rows of this second and later belong to it, whatever a reader needs otherwise: those of a walk by page
    number, and those that events led to. `walked`: that walk has come to its end. `back`: since when entities are back
    that were deleted, by id: a row must be dated no earlier, to win over its tombstone. `postdated`: the keys of rows
    whose date had not come when they were read.
    """

    name: str
    page: Page
    deletions: tuple[Deletion, ...] = ()
    floor: int | None = None
    walked: bool = False
    back: Mapping[Any, int] = field(default_factory=dict)
    postdated: frozenset[int | str] = frozenset()


def with_postdated(batches: Iterable[Batch]) -> Iterator[Batch]:
    """A stage that tells of each batch which of its rows are dated later than they were read, by the earlier clock."""
    for batch in batches:
        now = min((one.earliest for one in batch.page.answered), default=None)
        if now is not None:
            keys = (key(row) for row in batch.page.rows if (seconds(row.get("updated_at")) or 0) > now)
            batch = replace(batch, postdated=frozenset(keys))
        yield batch
