"""A stream's rows as Arrow, by the stream's JSON schema."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation
from functools import cached_property
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

pa.array([])  # the first one imports pandas, which two threads at once would meet half imported
READ_AT = "_airbyte_extracted_at"
"""The column of the moment when a row was read, named as Airbyte's destinations name it."""
CHANGES = "_changes"
"""The column that lists the row's columns which cannot hold what amoCRM sent; null for all other rows."""
OF_CHANGES = {
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
_NUL = "\0"
# an even number of backslashes before it are themselves escaped
_NUL_IN_JSON = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")

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
        self.too_large: dict[str, int] = {}
        columns = {**schema["properties"], CHANGES: OF_CHANGES}
        self._columns = {name: kind_of(column) for name, column in columns.items()}
        self._texts = [name for name, kind in self._columns.items() if kind == "string"]
        self._json = [name for name, kind in self._columns.items() if kind == "json"]
        self._said = {name: column.get("description", "") for name, column in columns.items()}

    @cached_property
    def schema(self) -> pa.Schema:
        fields = [pa.field(name, arrow_type(kind), name not in self.key) for name, kind in self._columns.items()]
        return pa.schema([*fields, pa.field(READ_AT, TIME, nullable=False)])

    @property
    def hints(self) -> dict[str, dict[str, Any]]:
        """The columns as dlt is told of them."""
        columns = {
            name: {**HINTS[kind], "nullable": name not in self.key, "description": self._said[name]}
            for name, kind in self._columns.items()
        }
        read_at = {**HINTS["time"], "nullable": False, "description": "When the row was read from amoCRM."}
        return {**columns, READ_AT: read_at}

    def write_json(self, row: Row) -> int:
        """Replaces the values of json columns by their text. Returns the size of the row's texts (characters)."""
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
        """The rows, whose json columns are texts. `read_at`: when each was read (milliseconds)."""
        arrays = [self._array(name, kind, [row.get(name) for row in rows]) for name, kind in self._columns.items()]
        arrays.append(pa.array(read_at, pa.timestamp("ms", "UTC")).cast(TIME))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def without_nul(self, rows: pa.Table) -> pa.Table:
        """The rows without U+0000, which PostgreSQL stores in no text."""
        for number, (name, kind) in enumerate(self._columns.items()):
            column = rows.column(name)
            if kind == "string" and pc.any(pc.match_substring(column, _NUL)).as_py():
                rows = rows.set_column(number, self.schema.field(name), pc.replace_substring(column, _NUL, ""))
            elif kind == "json" and pc.any(pc.match_substring(column, "\\u0000")).as_py():
                texts = [text and _NUL_IN_JSON.sub(r"\1", text) for text in column.to_pylist()]
                rows = rows.set_column(number, self.schema.field(name), pa.array(texts, pa.string()))
        return rows

    def left_out(self) -> list[str]:
        """A sentence for each column in which numbers were left out."""
        return [
            f"{count:,} numbers of {self.stream}.{column} have more than 29 digits before the point, which no column "
            "holds; they are empty in the table."
            for column, count in self.too_large.items()
        ]

    def _array(self, name: str, kind: str, values: list[Any]) -> pa.Array:
        if kind == "time":
            return pa.array(values, pa.string()).cast(TIME)
        if kind == "number":
            values = [None if value is None else self._decimal(name, value) for value in values]
        return pa.array(values, arrow_type(kind))

    def _decimal(self, name: str, value: float) -> Decimal | None:
        try:
            return Decimal(repr(value)).quantize(_NINE_PLACES, context=_DIGITS)
        except InvalidOperation:
            self.too_large[name] = self.too_large.get(name, 0) + 1
            return None


def kind_of(column: Mapping[str, Any]) -> str:
    """integer, number, boolean, time, json or string."""
    types = [column["type"]] if isinstance(column["type"], str) else column["type"]
    [kind] = [one for one in types if one != "null"]
    if kind in ("array", "object"):
        return "json"
    return "time" if column.get("format") == "date-time" else str(kind)


def arrow_type(kind: str) -> pa.DataType:
    return TIME if kind == "time" else ARROW.get(kind, pa.string())


def _json_text(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value)  # a number beyond 64 bits
