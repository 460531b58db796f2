"""A stream's rows as Arrow, by the stream's JSON schema."""

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
HINTS: dict[str, dict[str, Any]] = {
    "integer": {"data_type": "bigint"},
    "number": {"data_type": "decimal", "precision": 38, "scale": 9},
    "boolean": {"data_type": "bool"},
    "time": {"data_type": "timestamp"},
    "json": {"data_type": "json"},
    "string": {"data_type": "text"},
}
"""dlt's name of the type of each kind of column."""
_NINE_PLACES = Decimal("1e-9")
_DIGITS = Context(prec=38)
_TOO_LARGE = {"change": "NULLED", "reason": "DESTINATION_FIELD_SIZE_LIMITATION"}

Row = dict[str, Any]


class Table:
    """The table of one stream. A stream without a cursor is `whole`: each sync reads all of it.

    `key`: the columns that no two rows share. `too_large` counts the numbers that no decimal(38,9) holds, by column.
    """

    def __init__(self, stream: str, schema: Mapping[str, Any], key: Sequence[str], *, whole: bool) -> None:
        self.stream = stream
        self.key = list(key)
        self.whole = whole
        self.description: str = schema.get("description", "")
        self.too_large = Counter[str]()
        columns = {**schema["properties"], CHANGES: CHANGES_SCHEMA}
        self._columns = {name: column_kind(column) for name, column in columns.items()}
        self._numbers = [name for name, kind in self._columns.items() if kind == "number"]
        self._json = [name for name, kind in self._columns.items() if kind == "json"]
        self._times = [at for at, kind in enumerate(self._columns.values()) if kind == "time"]
        self._descriptions = {name: column.get("description", "") for name, column in columns.items()}

    @cached_property
    def schema(self) -> pa.Schema:
        fields = [pa.field(name, arrow_type(kind), name not in self.key) for name, kind in self._columns.items()]
        return pa.schema([*fields, pa.field(READ_AT, TIME, nullable=False)])

    @property
    def hints(self) -> dict[str, dict[str, Any]]:
        """dlt's hints of the columns."""
        columns = {
            name: {**HINTS[kind], "nullable": name not in self.key, "description": self._descriptions[name]}
            for name, kind in self._columns.items()
        }
        read_at = {**HINTS["time"], "nullable": False, "description": "When the row was read from amoCRM."}
        return {**columns, READ_AT: read_at}

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
        for at in self._times:
            arrays[at] = arrays[at].cast(TIME)
        moment = pa.scalar(read_at, pa.timestamp("ms", "UTC")).cast(TIME)
        return pa.RecordBatch.from_arrays([*arrays, pa.repeat(moment, len(rows))], schema=self.schema)

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
