"""Batch: the part of a list that a reading hands to the streams made of the list."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from source_amocrm.walk.listing import Page, Row, key, seconds


@dataclass(frozen=True, slots=True)
class Deletion:
    """An entity that left its list: `at` (Unix seconds) and `by` whom."""

    id: int
    at: int
    by: Any
    account_id: Any


@dataclass(frozen=True, slots=True)
class Batch:
    """A part of the list `name`.

    `floor`: every stream takes the rows of this second and later, whatever else it needs; they come from a walk by page
    number, or events led to them. `walked`: the walk by page number has come to its end. `at_least`: by id, the second
    before which a row must not be dated, so that it wins over a tombstone of its entity. `postdated`: the keys of rows
    that were dated in the future when they were read.
    """

    name: str
    page: Page
    deletions: tuple[Deletion, ...] = ()
    floor: int | None = None
    walked: bool = False
    at_least: Mapping[Any, int] = field(default_factory=dict)
    postdated: frozenset[int | str] = frozenset()

    def without(self, unwanted: Callable[[Row], bool]) -> Batch:
        """Returns the batch without the rows that are `unwanted`."""
        return replace(self, page=replace(self.page, rows=[row for row in self.page.rows if not unwanted(row)]))


def with_postdated(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Marks the rows of each batch that are dated in the future by the earlier of the two clocks."""
    return map(_with_postdated, batches)


def _with_postdated(batch: Batch) -> Batch:
    now = min((one.earliest for one in batch.page.answered), default=None)
    if now is None:
        return batch
    keys = (key(row) for row in batch.page.rows if (seconds(row.get("updated_at")) or 0) > now)
    return replace(batch, postdated=frozenset(keys))
