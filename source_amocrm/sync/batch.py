"""What a reading of a list hands to each of its readers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from source_amocrm.sync.event_log import Deletion
from source_amocrm.walk.listing import Page


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
    postdated: Collection[int | str] = ()
