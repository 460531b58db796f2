"""PostgreSQL as a warehouse of publish, by the connections and the COPY of sync."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2.errors import CharacterNotInRepertoire, UntranslatableCharacter

from amocrm_warehouse.database_address import postgres_url
from amocrm_warehouse.database_errors import RIGHTS
from amocrm_warehouse.publish.published_tables import PROJECT, Column, Table
from amocrm_warehouse.publish.sql_warehouse import SqlWarehouse
from amocrm_warehouse.publish.warehouse import MADE_BY, PublishError
from amocrm_warehouse.sync.destination import literal
from amocrm_warehouse.sync.postgres_destination import Postgres

NUL = {CharacterNotInRepertoire: r"\x00", UntranslatableCharacter: r"(^|[^\\])(\\\\)*\\u0000"}
"""How NUL, which PostgreSQL stores nowhere, stands in a text and in JSON, by the error about it."""
QUOTE = '"'


class PostgresWarehouse(SqlWarehouse):
    columns = (
        "SELECT relname, coalesce(obj_description(relation.oid, 'pg_class'), ''), attname, "
        "replace(format_type(atttypid, atttypmod), 'numeric', 'decimal'), col_description(relation.oid, attnum) "
        "FROM pg_attribute JOIN pg_class AS relation ON relation.oid = attrelid "
        "JOIN pg_namespace AS home ON home.oid = relnamespace "
        "WHERE nspname = '{schema}' AND relkind IN ('r', 'p', 'v', 'm', 'f') AND attnum > 0 AND NOT attisdropped"
    )
    types: ClassVar[Mapping[str, str]] = {
        "text": "varchar", "double": "double precision", "bool": "boolean", "json": "jsonb",
    }  # fmt: skip
    kinds: ClassVar[Mapping[str, str]] = {
        "character varying": "text", "double precision": "double", "boolean": "bool", "jsonb": "json",
    }  # fmt: skip

    def __init__(self, address: str) -> None:
        self._database = Postgres(postgres_url(address))

    @contextmanager
    def opened(self, lock: str, schemas: list[str]) -> Iterator[None]:
        try:
            self._database.connect(lock, "publish", RIGHTS.format(schemas=",".join(schemas)))
            yield
        finally:
            self._database.close()

    @contextmanager
    def making(self, schema: str) -> Iterator[None]:
        with self._database.transaction():
            self._database.make_schema(schema)
            yield

    def transaction(self, schemas: list[str]) -> AbstractContextManager[None]:  # noqa: ARG002
        return self._database.transaction()

    def execute(self, sql: str) -> None:
        self._database.execute(sql)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self._database.query(sql)

    def copy(self, rows: pa.RecordBatch, table: str, columns: str, folder: Path) -> int:  # noqa: ARG002
        try:
            return self._database.copy(pa.Table.from_batches([rows]), f"{table} ({columns})")
        except tuple(NUL) as error:
            texts = {name: rows[name] for name in rows.schema.names if rows[name].type == pa.string()}
            found = [name for name in texts if pc.any(pc.match_substring_regex(texts[name], NUL[type(error)])).as_py()]
            raise PublishError(
                f"The column {', '.join(found)} of {table.replace(QUOTE, '')} holds a text with NUL (\\u0000), which "
                "PostgreSQL cannot store. A sync writes � instead, so something else wrote this text. Replace NUL in "
                "the database that is published, or leave this table out with --only. The warehouse is as before."
            ) from None

    def qualified(self, *names: str) -> str:
        return self._database.qualified(*names)

    def created(self, table: Table) -> list[str]:
        name, index = self.name(table), self.qualified(f"{table.name}_{PROJECT}")
        return [
            f"CREATE TABLE {name} ({', '.join(map(self.definition, table.columns))})",
            f"COMMENT ON TABLE {name} IS {literal(MADE_BY)}",
            f"CREATE INDEX {index} ON {name} ({self.qualified(PROJECT)})",
            *(one for column in table.columns if column.description for one in self.described(table, column)),
        ]

    def added(self, table: Table, column: Column) -> list[str]:
        return super().added(table, column) + self.described(table, column)

    def described(self, table: Table, column: Column) -> list[str]:
        name = self.qualified(table.schema, table.name, column.name)
        return [f"COMMENT ON COLUMN {name} IS {literal(column.description)}"]
