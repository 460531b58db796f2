"""How the records of one input of a stream become its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

from source_amocrm.account.resources import Resource
from source_amocrm.errors import AmocrmError
from source_amocrm.sync.changes import Deletion
from source_amocrm.sync.declaration import Context, Incremental, Lookup
from source_amocrm.sync.lookup import Resolver
from source_amocrm.walk.listing import Row


class RowMaker:
    """Makes rows of the records of `resource`; `resolver` finds the values of a lookup."""

    def __init__(self, stream: Incremental, resource: Resource, resolver: Callable[[Lookup], Resolver]) -> None:
        self._stream = stream
        self._resource = resource
        self._lookups = [(column, one, resolver(one)) for column, one in stream.lookups.items()]
        self._met: dict[str, set[int]] = {column: set() for column in stream.lookups}
        self._passed_over: list[Iterable[Row]] = []
        self.deletable = stream.deletable
        self.cursor = resource.cursor
        """The field of the records that dates them."""

    @cached_property
    def _context(self) -> Context:
        return self._stream.context(self._resource)

    def rows(self, records: list[Row]) -> Iterator[list[Row]]:
        """The rows of each record in turn. An AmocrmError is raised after the rows of the records before it."""
        context = self._context
        if not self._lookups:
            yield from (list(self._stream.rows(record, context)) for record in records)
            return
        made: list[list[Row]] = []
        failure = None
        try:
            for record in records:
                made.append(list(self._stream.rows(record, context)))
        except AmocrmError as error:
            failure = error
        self._fill(row for rows in made for row in rows)
        yield from made
        if failure:
            raise failure

    def pass_over(self, records: Iterable[Row]) -> None:
        """Counts `records`, which an earlier sync made rows of, as coming before those that follow, for lookups that
        fill only the first row with a key. They are read when a row needs that to be known, which may be never."""
        self._passed_over.append(records)

    def _fill(self, rows: Iterable[Row]) -> None:
        """Fills the columns that come from other lists, for all rows together."""
        rows = list(rows)
        for column, lookup, resolver in self._lookups:
            wanted = self._wanted(column, lookup, rows)
            known = resolver.of({entity_id for _, entity_id in wanted})
            for row, entity_id in wanted:
                row[column] = known.get(entity_id)

    def _wanted(self, column: str, lookup: Lookup, rows: list[Row]) -> list[tuple[Row, int]]:
        met, wanted = self._met[column], []
        for row in rows:
            entity_id = lookup.key(row)
            if entity_id is None:
                continue
            if lookup.once:
                self._catch_up()
                if entity_id in met:
                    continue
                met.add(entity_id)
            wanted.append((row, entity_id))
        return wanted

    def _catch_up(self) -> None:
        """Reads what was passed over."""
        while self._passed_over:
            for record in self._passed_over.pop(0):
                rows = list(self._stream.rows(record, self._context))
                for column, lookup, _ in self._lookups:
                    keys = (lookup.key(row) for row in rows)
                    self._met[column].update(key for key in keys if key is not None)

    def tombstone(self, deletion: Deletion) -> Row:
        return self._stream.tombstone(deletion, self._context)
