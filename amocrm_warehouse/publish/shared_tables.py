"""Tables in a database which all accounts share: what publish makes of them, and which of them are somebody else's.

Each table has the comment MADE_BY. A table without it is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pyarrow as pa

from amocrm_warehouse.publish.published_tables import JSON, LIST, PROJECT, Column, Table
from amocrm_warehouse.publish.warehouse import MADE_BY, Warehouse, foreign_tables, other_type

LONGEST_PROJECT = 64
"""Letters of a project's id; MariaDB makes an index of a text only if the text has a bound."""
TYPES: dict[pa.DataType, str] = {
    pa.string(): "text",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.bool_(): "bool",
    pa.date32(): "date",
    pa.timestamp("us"): "timestamp without time zone",
    pa.timestamp("us", "UTC"): "timestamp with time zone",
    JSON: "json",
    LIST: "json",
}
"""The name of each type in messages."""


class SharedTables(Warehouse):
    """Methods of one database raise what its driver raises.

    `columns`: SQL of the columns in the schema {schema}: the table, its comment, the column, its type, its comment.
    `types`: SQL types that have another name than in TYPES. `kinds`: types, by both kinds of names, each with the name
    of a type that holds the same; a type that is not in it has its own.
    """

    columns = ""
    types: ClassVar[Mapping[str, str]] = {}
    kinds: ClassVar[Mapping[str, str]] = {}

    def execute(self, sql: str) -> None:
        raise NotImplementedError

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def qualified(self, *names: str) -> str:
        """Returns the SQL name of a schema, a column, or a table in its schema."""
        raise NotImplementedError

    def name(self, table: Table) -> str:
        """Returns the SQL name of a table."""
        return self.qualified(table.schema, table.name)

    def created(self, table: Table) -> list[str]:
        """Returns the statements that make a table, in which a project's rows are found fast."""
        raise NotImplementedError

    def added(self, table: Table, column: Column) -> list[str]:
        """Returns the statements that add a column to a table, unless it is there."""
        return [f"ALTER TABLE {self.name(table)} ADD COLUMN IF NOT EXISTS {self.definition(column)}"]

    def described(self, table: Table, column: Column) -> list[str]:  # noqa: ARG002
        """Returns the statements that change the description of a column, if the database can do that."""
        return []

    def kind(self, column: Column) -> str:
        """Returns the name of a column's type in messages."""
        if pa.types.is_decimal(column.type):
            return f"decimal(38,{column.type.scale})"
        return TYPES[column.type]

    def definition(self, column: Column) -> str:
        """Returns a column with its type, as in SQL."""
        own = f"varchar({LONGEST_PROJECT}) NOT NULL" if column.name == PROJECT else self.kind(column)
        return f"{self.qualified(column.name)} {self.types.get(own, own)}"

    def missing(self, tables: list[Table]) -> list[str]:
        """Returns the statements that make the tables, columns and descriptions which the warehouse does not have yet.

        Raises PublishError if something else has made one of the tables, or if a column has another type.
        """
        comments, there = dict[str, str](), dict[str, dict[str, tuple[str, str]]]()
        for schema in sorted({table.schema for table in tables}):
            for name, comment, column, kind, words in self.query(self.columns.format(schema=schema)):
                comments[f"{schema}.{name}"] = comment
                there.setdefault(f"{schema}.{name}", {})[column] = (kind, words or "")
        if foreign := [table.full_name for table in tables if comments.get(table.full_name, MADE_BY) != MADE_BY]:
            raise foreign_tables(foreign)
        return [one for table in tables for one in self._missing_of(table, there.get(table.full_name))]

    def _missing_of(self, table: Table, there: Mapping[str, tuple[str, str]] | None) -> Iterator[str]:
        """`there`: the type and the description of each column in the warehouse; None if the table is not there."""
        if there is None:
            yield from self.created(table)
            return
        for column in table.columns:
            if column.name not in there:
                yield from self.added(table, column)
                continue
            here, (held, words) = self.kind(column), there[column.name]
            if column.name != PROJECT and self.kinds.get(here, here) != self.kinds.get(held, held):
                raise other_type(table.full_name, column.name, here, held)
            if words != column.description:
                yield from self.described(table, column)
