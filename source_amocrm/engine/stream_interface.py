"""The interface of a stream to the engine of a sync."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timezone, tzinfo
from typing import Any

from source_amocrm.account.resources import EVENTS, Resource
from source_amocrm.http import Params
from source_amocrm.walk import Deletion, Row

READ_AT = "read_at"
"""The column of the moment of the reading that brought a row. A card's row and its parts have the same moment, so that
the parts of its newest reading are known. The engine fills it."""


@dataclass(frozen=True, slots=True)
class Context:
    """The facts of the list and the account that rows are made with, besides their record.

    `entity_type`: the name of the list that the record is of ("leads", "events"); `catalog_id`: the catalog.
    `timezone`: the account's; `system_fields`: by the field's id, whether a custom field is one of amoCRM's own.
    `read_at`: the moment of the reading of a list that is read whole.
    """

    entity_type: str = ""
    catalog_id: int | None = None
    timezone: tzinfo = timezone.utc
    system_fields: Mapping[int, bool | None] = field(default_factory=dict)
    read_at: str | None = None


@dataclass(frozen=True)
class Lookup:
    """A column that is filled from another list.

    `key`: the ID in that list for a row of the stream. `value`: the column by that ID's record. Either may be None.
    """

    column: str
    resource: Resource
    key: Callable[[Row], int | None]
    value: Callable[[Row], Any]


class Declaration(ABC):
    """A stream, as the engine sees it."""

    name: str
    lookup: Lookup | None = None

    @classmethod
    def inputs(cls) -> list[Resource]:
        """Returns the changing lists that the stream is made of, in the order in which they are read."""
        return []

    @abstractmethod
    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """Returns the rows of one record of amoCRM's."""

    @abstractmethod
    def read_records(self, *args: Any, **kwargs: Any) -> Iterable[Any]:
        """Yields every row of the stream."""


class Incremental(Declaration):
    """A stream of records that change, or of events.

    It is made of the records of `resources`, and of the events of these `kinds` (of all for an empty tuple, of none
    for None). `newest_first`: from the newest event on, so that of rows with one lookup key only the newest takes the
    column. `deletable`: deleted entities come as tombstones.
    """

    cursor_field: str
    resources: tuple[Resource, ...] = ()
    kinds: tuple[str, ...] | None = None
    newest_first = False
    deletable = False

    @classmethod
    def inputs(cls) -> list[Resource]:
        return [*cls.resources, EVENTS] if cls.kinds is not None else list(cls.resources)

    @abstractmethod
    def wanted_extras(self) -> frozenset[str]:
        """Returns the `with` parameters of the lists that the wanted columns need."""

    @abstractmethod
    def context(self, resource: Resource) -> Context:
        """Returns the context of the rows of a list's records; may send requests."""

    def prepare(self, records: Sequence[Row], context: Context) -> Iterable[Row]:  # noqa: ARG002
        """Requests the further values of these records' rows from elsewhere, before the rows are made.

        Returns the records whose rows lack such values, because they cannot be read now.
        """
        return ()

    @abstractmethod
    def tombstone(self, deletion: Deletion, context: Context) -> Row:
        """Returns the row of a deletion."""


def with_parameter(extras: Iterable[str]) -> Params:
    return {"with": ",".join(sorted(extras))} if extras else {}
