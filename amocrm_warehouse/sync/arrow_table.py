"""A stream's rows as Arrow, and the columns of the table that holds them, by the stream's JSON schema."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation
from functools import cached_property
from typing import Any

import orjson
import pyarrow as pa

from amocrm_warehouse.column_kind import column_kind

pa.array([])  # the first array imports pandas, which two threads at once would find half imported
READ_AT = "_airbyte_extracted_at"
"""The column of the moment when a row was read, named as Airbyte's destinations name it."""
CHANGES = "_changes"
"""The column that lists the row's columns which cannot hold the values that amoCRM sent; null if all can."""
CHANGES_SCHEMA = {
    "type": ["null", "array"],
    "description": "The columns that cannot hold what amoCRM sent: [{field, change, reason}], as Airbyte tells it.",
}
BATCH_BYTES = 1 << 20
"""Bytes past which the rows of a list become several Arrow batches."""
DECIMAL = pa.decimal128(38, 9)
TIME = pa.timestamp("us", "UTC")
ARROW = {"integer": pa.int64(), "number": DECIMAL, "boolean": pa.bool_()}
_NINE_PLACES = Decimal("1e-9")
_DIGITS = Context(prec=38)
_TOO_LARGE = {"change": "NULLED", "reason": "DESTINATION_FIELD_SIZE_LIMITATION"}

Row = dict[str, Any]


class Shape:
    """The columns of a table in a database, and the names of its key's. `kinds`, `descriptions`: by column."""

    def __init__(self, stream: str, kinds: Mapping[str, str], key: Sequence[str] = ()) -> None:
        self.stream = stream
        self.key = list(key)
        self.kinds = dict(kinds)
        self.descriptions: dict[str, str] = {}

    @cached_property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(name, arrow_type(kind)) for name, kind in self.kinds.items()])


class Table(Shape):
    """The table of one stream. A stream without a cursor is `whole`: each sync reads all of it.

    `key`: the columns that no two rows share. `too_large` counts the numbers that no decimal(38,9) holds, by column.
    """

    def __init__(self, stream: str, schema: Mapping[str, Any], key: Sequence[str], *, whole: bool) -> None:
        columns = {**schema["properties"], CHANGES: CHANGES_SCHEMA}
        self._columns = {name: column_kind(column) for name, column in columns.items()}
        super().__init__(stream, {**self._columns, READ_AT: "time"}, key)
        self.whole = whole
        self.too_large = Counter[str]()
        self._numbers = [name for name, kind in self._columns.items() if kind == "number"]
        self._json = [name for name, kind in self._columns.items() if kind == "json"]
        self.descriptions = {name: column.get("description", "") for name, column in columns.items()}
        self.descriptions[READ_AT] = "When the row was read from amoCRM."

    def batches(self, rows: Sequence[Row], read_at: int) -> Iterator[pa.RecordBatch]:
        """Yields the rows as Arrow batches of BATCH_BYTES, or of one larger row. `read_at`: as that of `batch`."""
        batch = self.batch(rows, read_at)
        most = max(1, batch.num_rows * BATCH_BYTES // max(batch.nbytes, BATCH_BYTES))
        for start in range(0, batch.num_rows, most):
            yield batch.slice(start, most)

    def batch(self, rows: Sequence[Row], read_at: int) -> pa.RecordBatch:
        """Returns the rows as an Arrow batch, and uses them up. `read_at`: when they were read (milliseconds since
        1970).

        Arrow itself takes the values out of the rows, all but decimals and the texts of json columns.
        """
        for name in self._numbers:
            for row in rows:
                if (value := row.get(name)) is not None:
                    row[name] = self._decimal(name, value, row)
        for name in self._json:
            for row in rows:
                if (value := row.get(name)) is not None:
                    row[name] = _json_text(value)
        arrays = pa.array(rows, self._of_values).flatten()
        moments = pa.repeat(pa.scalar(read_at, pa.timestamp("ms", "UTC")), len(rows))
        return pa.RecordBatch.from_arrays([*arrays, moments], schema=self.schema)  # casts the times

    @cached_property
    def _of_values(self) -> pa.DataType:
        """The type of a row whose times are texts."""
        kinds = self._columns.items()
        return pa.struct([(name, pa.string() if kind == "time" else arrow_type(kind)) for name, kind in kinds])

    def _decimal(self, name: str, value: float, row: Row) -> Decimal | None:
        """Returns None for a number that the column does not hold, and lists it among the row's changes."""
        if (number := _decimal(value)) is None:
            self.too_large[name] += 1
            row[CHANGES] = [*(row.get(CHANGES) or ()), {"field": name, **_TOO_LARGE}]
        return number

    def left_out(self) -> list[str]:
        """Returns a sentence for each column in which numbers were left out."""
        return [
            f"{count:,} numbers of {self.stream}.{column} have more than 29 digits before the point, which no column "
            "holds; they are empty in the table."
            for column, count in self.too_large.items()
        ]


def arrow_type(kind: str) -> pa.DataType:
    return TIME if kind == "time" else ARROW.get(kind, pa.string())


def _decimal(value: float) -> Decimal | None:
    """Returns None for a number that decimal(38,9) does not hold."""
    try:
        return Decimal(repr(value)).quantize(_NINE_PLACES, context=_DIGITS)
    except InvalidOperation:
        return None


def _json_text(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value)  # a number beyond 64 bits
