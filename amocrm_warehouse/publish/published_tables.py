"""What leaves a database: the marts and the connector's tables of one account, as Arrow, all of one moment."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib import resources
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import pyarrow as pa
from pyarrow import csv

from amocrm_warehouse.database import check_models_readable, check_readable, models_of, opened, quoted_table, run_on
from amocrm_warehouse.database_address import is_file
from amocrm_warehouse.projects import projects_in
from amocrm_warehouse.publish.warehouse import PublishError
from amocrm_warehouse.table_names import table_name

ROWS = 20_000
"""Rows of an Arrow batch out of DuckDB."""
LARGEST_ROW = 32 << 20
"""Bytes of a row of PostgreSQL past which its table is refused: Arrow reads CSV in blocks of this size."""
MARTS, TABLES = "marts", "tables"
PROJECT = "project_id"
LANGUAGES = ("en", "ru")
PROJECT_IS = ("Id of the project; each project is one account.", "ID проекта; у каждого свой аккаунт.")
PLACES, PLACES_OF_MONEY = 9, 2
"""Decimal places of PostgreSQL's NUMERIC without bounds, which it makes of each sum of money in a mart."""
LIST, JSON = pa.list_(pa.string()), pa.json_()
TYPES: tuple[tuple[str, pa.DataType, str], ...] = (
    (r"(TINY|SMALL|BIG|HUGE)?INT(EGER)?", pa.int64(), "BIGINT"),
    (r"DOUBLE( PRECISION)?|FLOAT|REAL", pa.float64(), "DOUBLE PRECISION"),
    (r"BOOLEAN", pa.bool_(), "BOOLEAN"),
    (r"DATE", pa.date32(), "DATE"),
    (r"TIMESTAMP( WITHOUT TIME ZONE)?", pa.timestamp("us"), "TIMESTAMP"),
    (r"TIMESTAMP WITH TIME ZONE", pa.timestamp("us", "UTC"), "TIMESTAMP WITH TIME ZONE"),
    (r"(VARCHAR|TEXT|CHARACTER VARYING)\[\]", LIST, "JSON"),
    (r"JSONB?|.*\[\]|(STRUCT|MAP)\(.*", JSON, "JSON"),
)
"""The name of a type in DuckDB or PostgreSQL, in capitals; the Arrow type of the column that leaves; and the type as
which both databases give its values. Decimals keep their scale; any other type is text."""
COLUMNS = {
    True: "SELECT schema_name, table_name, column_name, upper(data_type), comment FROM duckdb_columns() "
    "WHERE NOT internal ORDER BY column_index",
    False: "SELECT nspname, relname, attname, upper(format_type(atttypid, atttypmod)), "
    "col_description(relation.oid, attnum) FROM pg_attribute JOIN pg_class AS relation ON relation.oid = attrelid "
    "JOIN pg_namespace AS home ON home.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm') AND attnum > 0 "
    "AND NOT attisdropped ORDER BY attnum",
}
"""Every column with its table, type and comment, in a DuckDB file and in PostgreSQL."""


@dataclass(frozen=True)
class Column:
    """A column of a published table. `expression`: SQL of its value in the database that it comes from."""

    name: str
    type: pa.DataType
    description: str
    expression: str

    @property
    def travels_as(self) -> pa.DataType:
        """The Arrow type of its batches: JSON and lists are JSON texts."""
        return pa.string() if self.type in (JSON, LIST) else self.type

    @property
    def native_type(self) -> pa.DataType:
        """The Arrow type of its values where there are lists: of JSON it is a text."""
        return pa.string() if self.type == JSON else self.type


@dataclass(frozen=True)
class Table:
    """A published table of one account. `schema`: of the warehouse. `rows`: SQL of the rows where they come from."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    rows: str

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @cached_property
    def arrow(self) -> pa.Schema:
        return pa.schema([pa.field(column.name, column.travels_as) for column in self.columns])


class Source:
    """An opened database, as it is at one moment.

    `dataset`: the schema of the connector's tables in it. `done`: called after each table that has been read.
    """

    def __init__(self, database: str, connection: Any, dataset: str, done: Callable[[], None]) -> None:
        self._done = done
        self._database = database
        self._is_file = is_file(database)
        self._connection = connection
        self._run = run_on(connection, database)
        self._dataset = dataset
        self._columns: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
        for schema, table, name, kind, comment in self._run(COLUMNS[self._is_file])[1]:
            self._columns.setdefault((schema, table), []).append((name, kind, comment or ""))
        models = models_of(self._run)
        self._schema, self._staging = models.schemas[MARTS], models.schemas["staging"]
        self._marts = {
            name: place for name, place in models.built.items() if place[0] == self._schema and place in self._columns
        }

    @cached_property
    def read(self) -> list[str]:
        """The projects of which there are tables of the connector."""
        return projects_in((f"{schema}.{table}" for schema, table in self._columns), self._dataset)

    def projects(self, only: Iterable[str]) -> list[str]:
        """Returns the projects of which there are such tables.

        Raises ValueError if there are none, and if the user may not read them.
        """
        if TABLES in only:
            check_readable(self._run, self._database, [], self._dataset, table_name("%", "%"))
        if {*only} == {TABLES}:
            if not self.read:
                raise ValueError(
                    f"There are no tables amocrm_<project>_… in the schema {self._dataset} of this database. Read an "
                    "account into it first: source-amocrm sync."
                )
            return self.read
        marts = self._marts if MARTS in only else {*only}
        check_readable(self._run, self._database, ["freshness"], "%amocrm_marts")
        check_models_readable(self._run, self._database, self._schema, {"int_accounts", *marts})
        if not self._marts:
            if not self.read:
                raise ValueError("No account was read into this database. Read it first: source-amocrm sync.")
            raise ValueError("There are no marts in this database. Build them first: source-amocrm models.")
        accounts = quoted_table(self._run, self._staging, "int_accounts")
        return [name for (name,) in self._run(f"SELECT project_id FROM {accounts} ORDER BY 1")[1]]

    def tables(self, project: str, only: Iterable[str], schema: str, language: str) -> list[Table]:
        """Returns the chosen tables of a project. Raises ValueError for a name that no mart has."""
        marts = set[str]()
        tables = list[Table]()
        for name in only:
            if name == MARTS:
                marts.update(self._marts)
            elif name == TABLES:
                own = [*self._connectors_tables(project, schema, language)]
                if not own:
                    raise ValueError(
                        f"There are no tables {table_name(project)}… in the schema {self._dataset} of this database. "
                        "Name their schema with --dataset, or publish the marts alone."
                    )
                tables += own
            elif name in self._marts:
                marts.add(name)
            else:
                known = [MARTS, TABLES, *sorted(self._marts)]
                nearest = get_close_matches(name, known, 1)
                hint = f"the nearest name is “{nearest[0]}”" if nearest else f"there are {', '.join(known)}"
                raise ValueError(f"There is no mart “{name}”: {hint}.")
        return [self._mart(name, project, schema, language) for name in sorted(marts)] + tables

    def _mart(self, name: str, project: str, schema: str, language: str) -> Table:
        place, number = self._marts[name], LANGUAGES.index(language)
        columns = []
        for column, kind, comment in self._columns[place]:
            # of a custom field the comment is its own name, in one language
            words = [comment] if column.startswith("cf_") else comment.split(" · ", 1)
            places = PLACES if column.startswith("cf_") else PLACES_OF_MONEY
            columns.append(_column(column, kind, words[min(number, len(words) - 1)], places=places))
        columns.sort(key=lambda column: column.name != PROJECT)
        source = quoted_table(self._run, *place)
        return _table(f"{schema}_{MARTS}", name, columns, source, f" WHERE {PROJECT} = {_literal(project)}")

    def _connectors_tables(self, project: str, schema: str, language: str) -> Iterator[Table]:
        own = _column(PROJECT, "VARCHAR", PROJECT_IS[LANGUAGES.index(language)], _literal(project))
        for file in sorted((resources.files("source_amocrm") / "schemas").iterdir(), key=lambda file: file.name):
            name = Path(file.name).stem
            place = self._dataset, table_name(project, name)
            if place in self._columns:
                described = json.loads(file.read_text(encoding="utf-8"))["properties"]
                word = {"en": "description", "ru": "x-ru"}[language]
                columns = [
                    _column(column, kind, described.get(column, {}).get(word, comment))
                    for column, kind, comment in self._columns[place]
                ]
                yield _table(schema, name, [own, *columns], quoted_table(self._run, *place))

    def batches(self, table: Table, folder: Path) -> Iterator[pa.RecordBatch]:
        """Yields the rows of a table. Raises PublishError if not all came. `folder`: for files of rows under way.

        One table is read at a time: DuckDB ends the result of a statement, without an error, when the next one begins.
        """
        came, there = 0, self._run(f"SELECT count(*) FROM ({table.rows}) AS counted")[1][0][0]
        for batch in self._of_duckdb(table) if self._is_file else self._of_postgres(table, folder):
            came += batch.num_rows
            yield batch
        if came != there:
            raise PublishError(f"Of the {there:,} rows of {table.name} only {came:,} could be read. Run again.")
        self._done()

    def _of_duckdb(self, table: Table) -> Iterator[pa.RecordBatch]:
        for batch in self._connection.execute(table.rows).to_arrow_reader(ROWS):
            yield batch.cast(table.arrow)

    def _of_postgres(self, table: Table, folder: Path) -> Iterator[pa.RecordBatch]:
        with TemporaryFile(dir=folder) as file, self._connection.cursor() as cursor:
            cursor.copy_expert(f"COPY ({table.rows}) TO STDOUT (FORMAT CSV)", file)
            if file.tell():
                file.seek(0)
                yield from _of_csv(file, table)


def in_native_types(batch: pa.RecordBatch, table: Table) -> pa.RecordBatch:
    """Returns a batch with lists in place of the JSON texts as which they travel."""
    columns = [_with_lists(batch.column(column.name), column.type) for column in table.columns]
    return pa.RecordBatch.from_arrays(columns, names=table.arrow.names)


def _with_lists(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if kind != LIST:
        return values
    return pa.array([None if text is None else json.loads(text) for text in values.to_pylist()], LIST)


@contextmanager
def opened_source(database: str, dataset: str, done: Callable[[], None] = lambda: None) -> Iterator[Source]:
    """Opens a database to read. `done`: called after each table that has been read.

    Raises ValueError for a wrong address, and one of DATABASE_ERRORS.
    """
    with closing(opened(database, read_only=True)) as connection:
        if not is_file(database):
            with connection.cursor() as cursor:
                cursor.execute("SET TimeZone = 'UTC'; SET datestyle = 'ISO'")
        yield Source(database, connection, dataset, done)


def _of_csv(file: IO[bytes], table: Table) -> Iterator[pa.RecordBatch]:
    values = csv.ConvertOptions(
        column_types=table.arrow, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False,
        true_values=["t"], false_values=["f"],
    )  # fmt: skip
    blocks = csv.ReadOptions(column_names=table.arrow.names, block_size=LARGEST_ROW)
    try:
        yield from csv.open_csv(file, blocks, csv.ParseOptions(newlines_in_values=True), values)
    except pa.ArrowInvalid as error:
        raise PublishError(f"The table {table.name} cannot be read out of PostgreSQL: {error}.") from None


def _column(name: str, kind: str, description: str, value: str = "", places: int = PLACES) -> Column:
    """Returns a column of a type of DuckDB or PostgreSQL.

    `value`: SQL of its value, by default the column's. `places`: of a decimal whose type does not say how many.
    """
    value = value or f'"{name}"'
    if decimal := re.fullmatch(r"(?:DECIMAL|NUMERIC)(?:\(\d+,(\d+)\))?", kind):
        scale = int(decimal[1] or places)
        arrow, given = pa.decimal128(38, scale), f"DECIMAL(38,{scale})"
    else:
        found = (types for pattern, *types in TYPES if re.fullmatch(pattern, kind))
        arrow, given = next(found, (pa.string(), "VARCHAR"))
    sql = f"CAST(to_json({value}) AS VARCHAR)" if given == "JSON" else f"CAST({value} AS {given})"
    return Column(name, arrow, description, f'{sql} AS "{name}"')


def _table(schema: str, name: str, columns: list[Column], source: str, where: str = "") -> Table:
    listed = ", ".join(column.expression for column in columns)
    return Table(schema, name, tuple(columns), f"SELECT {listed} FROM {source}{where}")


def _literal(text: str) -> str:
    quoted = text.replace("'", "''")
    return f"'{quoted}'"
