"""Custom fields as columns of cards (option `readable_columns`).

The column of the field 123456, “Budget”, is `cf_123456_budget`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from source_amocrm.account import Account
from source_amocrm.account.resources import CLOSED
from source_amocrm.engine.stream_interface import Context
from source_amocrm.streams import values
from source_amocrm.streams.base import IncrementalStream
from source_amocrm.streams.custom_fields import WRITERS, column_name, field_text
from source_amocrm.streams.values import Json, Row, as_list, read

LOGGER = logging.getLogger("airbyte")

_TEXT: dict[str, Any] = {"type": ["null", "string"]}
_SEVERAL = {"type": ["null", "array"], "items": {"type": "string"}}
_SCHEMAS: Mapping[str, dict[str, Any]] = {
    **{kind: {"type": ["null", "number"]} for kind in ("numeric", "monetary", "price")},
    "checkbox": {"type": ["null", "boolean"]},
    **{kind: {**_TEXT, "format": "date"} for kind in ("date", "birthday")},
    "date_time": {**_TEXT, "format": "date-time", "airbyte_type": "timestamp_with_timezone"},
    **dict.fromkeys(("multiselect", "multitext", "smart_address", "chained_list", "items", "file"), _SEVERAL),
}
"""By the type of a custom field, the schema of its column. A field of any other type has a text column."""

_NAME = re.compile(r"cf_(\d{1,18})(_[a-z0-9_]+)?", re.ASCII)


class ReadableStream(IncrementalStream):
    """A stream with one row for each record, and with columns for the record's custom fields."""

    def __init__(self, account: Account, properties: Mapping[str, Any] | None = None) -> None:
        super().__init__(account, properties)
        self._fields = known_columns(properties or {}) if account.config.readable_columns else {}
        if self._fields:
            self.account_extras = (*self.account_extras, "datetime_settings")
        for each in self._fields.values():
            self.record.add(each.name)

    def further_columns(self) -> Mapping[str, Any]:
        """Adds a column for each custom field of the account, if the token's user may see them."""
        columns: Iterable[FieldColumn | None] = ()
        if self.account.config.readable_columns:
            try:
                fields = self.account.dictionary(f"{self.resources[0].path}/custom_fields", "custom_fields")
                columns = map(column, fields)
            except CLOSED as error:
                LOGGER.warning("The table %s has no columns for its custom fields: %s", self.name, error)
        return {**{each.name: each.schema for each in columns if each}, **super().further_columns()}

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        if not self._fields:
            return [self.record(record)]
        odd: Row = {}
        columns = field_columns(odd, self.record.source(record), self._fields, context.timezone)
        return [self.record(record, odd, **columns)]


@dataclass(frozen=True, slots=True)
class FieldColumn:
    """The column of a custom field, with its schema at discovery."""

    name: str
    schema: Mapping[str, Any]


def column(field: Json) -> FieldColumn | None:
    """Returns the column of a field of the account's dictionary; None for a field without an id."""
    field_id = field.get("id") if type(field) is dict else None
    if type(field_id) is not int or field_id < 0:
        return None
    name, kind = field.get("name"), field.get("type")
    description = f"Custom field {field_id}, of the type {kind}, as it was named at discovery: {name}."
    schema = _SCHEMAS.get(kind, _TEXT) if type(kind) is str else _TEXT
    return FieldColumn(column_name(field_id, name), {**schema, "description": description})


def known_columns(properties: Mapping[str, Any]) -> dict[int, FieldColumn]:
    """Returns, by the field's id, the columns of custom fields among a stream's columns, `properties`."""
    named = ((_NAME.fullmatch(name), schema) for name, schema in properties.items() if isinstance(schema, Mapping))
    return {int(match[1]): FieldColumn(match[0], schema) for match, schema in named if match}


def field_columns(odd: Row, record: Row, columns: Mapping[int, FieldColumn], zone: tzinfo) -> Row:
    """Returns, by column, the values of the record's filled custom fields. `odd`: see `Record.__call__`."""
    row: Row = {}
    for field in as_list(record.get("custom_fields_values")):
        number = read(values.as_integer, field.get("field_id"), odd, "custom_fields") if type(field) is dict else None
        if number is not None and (known := columns.get(number)) and (elements := as_list(field.get("values"))):
            row[known.name] = _value(odd, known, field.get("field_type"), elements, zone)
    return row


def _value(odd: Row, known: FieldColumn, kind: Json, raw: list[Json], zone: tzinfo) -> Json:
    elements = [element if type(element) is dict else {"value": element} for element in raw]
    types, form = known.schema.get("type", ()), known.schema.get("format")
    if "array" in types or ("string" in types and form is None):
        texts = [field_text(element, kind, zone) for element in elements]
        return read(values.as_texts if "array" in types else values.as_joined_text, texts, odd, known.name)
    if len(elements) > 1:
        odd.setdefault(known.name, raw)
    value = elements[0].get("value")
    if "number" in types or "boolean" in types:
        return read(values.as_number if "number" in types else values.as_boolean, value, odd, known.name)
    write = WRITERS["date" if form == "date" else "date_time"]
    return read(lambda seconds: write(seconds, zone), value, odd, known.name)
