"""A stream's rows as Arrow, by the stream's JSON schema."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
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
        self._texts = [name for name, kind in self._columns.items() if kind == "string"]
        self._numbers = [name for name, kind in self._columns.items() if kind == "number"]
        self._json = [name for name, kind in self._columns.items() if kind == "json"]
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

    def prepare(self, row: Row) -> int:
        """Replaces numbers by decimals and the values of json columns by their text.

        Returns the size of the row's texts (characters).
        """
        for name in self._numbers:
            if (value := row.get(name)) is None:
                continue
            row[name] = _decimal(value)
            if row[name] is None:
                self.too_large[name] += 1
                row[CHANGES] = [*(row.get(CHANGES) or ()), {"field": name, **_TOO_LARGE}]
        size = 0
        for name in self._json:
            value = row.get(name)
            if value is not None:
                row[name] = text = _json_text(value)
                size += len(text)
        for name in self._texts:
            size += len(row.get(name) or "")
        return size

    def batch(self, rows: Sequence[Row], read_at: Sequence[int]) -> pa.RecordBatch:
        """Returns prepared rows as an Arrow batch. `read_at`: when each row was read (milliseconds since 1970)."""
        arrays = [_array(kind, [row.get(name) for row in rows]) for name, kind in self._columns.items()]
        arrays.append(pa.array(read_at, pa.timestamp("ms", "UTC")).cast(TIME))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def left_out(self) -> list[str]:
        """Returns a sentence for each column in which numbers were left out."""
        return [
            f"{count:,} numbers of {self.stream}.{column} have more than 29 digits before the point, which no column "
            "holds; they are empty in the table."
            for column, count in self.too_large.items()
        ]


def _array(kind: str, values: list[Any]) -> pa.Array:
    return pa.array(values, pa.string()).cast(TIME) if kind == "time" else pa.array(values, arrow_type(kind))


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
