"""Custom fields as columns of deals, contacts and companies (`readable_columns`).

The column of the field 123456, “Budget”, is `cf_123456_budget`.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from source_amocrm.account import Account
from source_amocrm.account.resources import CLOSED
from source_amocrm.config import Config
from source_amocrm.streams.base import IncrementalStream
from source_amocrm.streams.coercion import Coercion, changes_of
from source_amocrm.streams.values import (
    Json,
    Row,
    UnreadableError,
    as_list,
    as_seconds,
    compact_json,
    local_date,
    utc_text,
)
from source_amocrm.sync.declaration import Context

LOGGER = logging.getLogger("airbyte")

TEXT: dict[str, Any] = {"type": ["null", "string"]}
NUMBER: dict[str, Any] = {"type": ["null", "number"]}
FLAG: dict[str, Any] = {"type": ["null", "boolean"]}
DATE: dict[str, Any] = {"type": ["null", "string"], "format": "date"}
MOMENT: dict[str, Any] = {
    "type": ["null", "string"],
    "format": "date-time",
    "airbyte_type": "timestamp_with_timezone",
}
SEVERAL: dict[str, Any] = {"type": ["null", "array"], "items": {"type": "string"}}

_SCHEMAS: Mapping[str, dict[str, Any]] = {
    **dict.fromkeys(("numeric", "monetary", "price"), NUMBER),
    "checkbox": FLAG,
    **dict.fromkeys(("date", "birthday"), DATE),
    "date_time": MOMENT,
    **dict.fromkeys(("multiselect", "multitext", "smart_address", "chained_list", "items", "file"), SEVERAL),
}
"""By the type of the field; any other is a text."""

_NAME = re.compile(r"cf_(\d{1,18})(_[a-z0-9_]+)?", re.ASCII)
_LONGEST_ALIAS = 40
_LATIN: dict[int, Any] = {
    **str.maketrans("абвгдеёзийклмнопрстуфыэіґ", "abvgdeeziyklmnoprstufyeig"),
    **str.maketrans({"ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ь": ""}),
    **str.maketrans({"ю": "yu", "я": "ya", "ї": "yi", "є": "ye"}),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a custom field, with the schema that it was discovered with."""

    name: str
    schema: Mapping[str, Any]


def column(field: Json) -> Column | None:
    """The column of a field of the account's dictionary; its name begins with the id, which never changes."""
    own = field.get("id") if type(field) is dict else None
    if type(own) is not int or own < 0:
        return None
    name, kind = field.get("name"), field.get("type")
    alias = _alias(name) if type(name) is str else ""
    told = f"Custom field {own}, of the type {kind}, as it was named at discovery: {name}."
    schema = _SCHEMAS.get(kind, TEXT) if type(kind) is str else TEXT
    return Column(f"cf_{own}_{alias}" if alias else f"cf_{own}", {**schema, "description": told})


def known_columns(properties: Mapping[str, Any]) -> dict[int, Column]:
    """The columns of custom fields among those of a stream's schema, by the field's id."""
    found: dict[int, Column] = {}
    for name, schema in properties.items():
        match = _NAME.fullmatch(name)
        if match and isinstance(schema, Mapping):
            found[int(match[1])] = Column(name, schema)
    return found


def field_columns(to: Coercion, record: Json, columns: Mapping[int, Column], zone: tzinfo) -> Row:
    """The columns of the record's custom fields; None in those that are not filled."""
    row: Row = {each.name: None for each in columns.values()}
    for field in as_list(to.source(record).get("custom_fields_values")):
        own = to.integer(field.get("field_id"), "custom_fields") if type(field) is dict else None
        known = None if own is None else columns.get(own)
        values = as_list(field.get("values")) if known else []
        if known and values:
            row[known.name] = _value(to, known, field.get("field_type"), values, zone)
    return row


def _value(to: Coercion, known: Column, kind: Json, values: list[Json], zone: tzinfo) -> Json:
    elements = [element if type(element) is dict else {"value": element} for element in values]
    types, form = known.schema.get("type", ()), known.schema.get("format")
    if "array" in types:
        return [text for element in elements if (text := to.field_value(element, kind, zone, known.name)) is not None]
    if "string" in types and form is None:
        texts = [text for element in elements if (text := to.field_value(element, kind, zone, known.name)) is not None]
        return compact_json(texts) if len(texts) > 1 else next(iter(texts), None)
    if len(elements) > 1:
        to.leave_out(known.name, values)
    value = elements[0].get("value")
    if "number" in types:
        return to.number(value, known.name)
    if "boolean" in types:
        return to.boolean(value, known.name)
    try:
        if value is not None:
            return local_date(as_seconds(value), zone) if form == "date" else utc_text(as_seconds(value))
    except UnreadableError:
        to.leave_out(known.name, value)
    return None


def _alias(name: str) -> str:
    """Latin small letters, digits and underscores."""
    plain = unicodedata.normalize("NFKD", name.lower().translate(_LATIN)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_LONGEST_ALIAS].rstrip("_")


class ReadableStream(IncrementalStream):
    """A stream with one row a record, and with columns for the record's custom fields."""

    def __init__(self, account: Account, properties: Mapping[str, Any] | None = None) -> None:
        super().__init__(account, properties)
        self._fields = known_columns(properties or {}) if account.config.readable_columns else {}
        self._configured = properties is not None

    @classmethod
    def extras_of_account(cls, config: Config, properties: Mapping[str, Any]) -> tuple[str, ...]:
        wide = config.readable_columns and known_columns(properties)
        return (*cls.account_extras, "datetime_settings") if wide else cls.account_extras

    def further_columns(self) -> Mapping[str, Any]:
        return {**self._field_columns(), **super().further_columns()}

    def _field_columns(self) -> Mapping[str, Any]:
        """Those that the connection is configured with; else those that the account's fields make."""
        if self._configured or not self.account.config.readable_columns:
            return {each.name: each.schema for each in self._fields.values()}
        try:
            fields = self.account.dictionary(f"{self.resources[0].path}/custom_fields", "custom_fields")
        except CLOSED as error:
            LOGGER.warning("The custom fields of %s are no columns of it: %s", self.name, error)
            return {}
        made = (column(field) for field in fields)
        return {each.name: each.schema for each in made if each}

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        rows = super().rows(record, context)
        if not self._fields:
            return rows
        to = self.record.to
        wide = ((row, field_columns(to, record, self._fields, context.timezone)) for row in rows)
        return [to.row({**row, **columns}, changes_of(row)) for row, columns in wide]

    def tombstone_columns(self, context: Context) -> Row:
        return {**{each.name: None for each in self._fields.values()}, **super().tombstone_columns(context)}
