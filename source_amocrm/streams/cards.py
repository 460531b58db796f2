"""Cards: deals, contacts and companies, and the pipelines and statuses that deals move through.

Custom fields are columns of cards where that is wanted (`readable_columns`): the column of the field 123456, “Budget”,
is `cf_123456_budget`.
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
from source_amocrm.account.resources import CLOSED, COMPANIES, CONTACTS, LEADS
from source_amocrm.streams import values
from source_amocrm.streams.base import FullRefreshStream, IncrementalStream
from source_amocrm.streams.values import Json, Row, as_list, child, read, values_of
from source_amocrm.sync.declaration import Context, Lookup

LOGGER = logging.getLogger("airbyte")
PIPELINES = "/api/v4/leads/pipelines"
TEXT: dict[str, Any] = {"type": ["null", "string"]}
_NUMBER = {"type": ["null", "number"]}
_DATE = {**TEXT, "format": "date"}
_SEVERAL = {"type": ["null", "array"], "items": {"type": "string"}}
_SCHEMAS: Mapping[str, dict[str, Any]] = {
    **dict.fromkeys(("numeric", "monetary", "price"), _NUMBER),
    "checkbox": {"type": ["null", "boolean"]},
    **dict.fromkeys(("date", "birthday"), _DATE),
    "date_time": {**TEXT, "format": "date-time", "airbyte_type": "timestamp_with_timezone"},
    **dict.fromkeys(("multiselect", "multitext", "smart_address", "chained_list", "items", "file"), _SEVERAL),
}
"""By the type of the field; any other is a text."""

_NAME = re.compile(r"cf_(\d{1,18})(_[a-z0-9_]+)?", re.ASCII)
_LONGEST_ALIAS = 40
_LATIN: dict[int, Any] = {
    **str.maketrans("абвгдеёзийклмнопрстуфыэіґ", "abvgdeeziyklmnoprstufyeig"),
    **str.maketrans({"ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ь": ""}),
    **str.maketrans({"ю": "yu", "я": "ya", "ї": "yi", "є": "ye"}),
}
_COMMUNICATION = ("communication_id", "communication_ids")


@dataclass(frozen=True, slots=True)
class FieldColumn:
    """A column of a custom field, with the schema that it was discovered with."""

    name: str
    schema: Mapping[str, Any]


def column(field: Json) -> FieldColumn | None:
    """Returns the column of a field of the account's dictionary.

    Its name begins with the id, which never changes; then comes the field's name in small Latin letters and digits.
    """
    own = field.get("id") if type(field) is dict else None
    if type(own) is not int or own < 0:
        return None
    name, kind = field.get("name"), field.get("type")
    latin = name.lower().translate(_LATIN) if type(name) is str else ""
    plain = unicodedata.normalize("NFKD", latin).encode("ascii", "ignore").decode()
    alias = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_LONGEST_ALIAS]
    told = f"Custom field {own}, of the type {kind}, as it was named at discovery: {name}."
    schema = _SCHEMAS.get(kind, TEXT) if type(kind) is str else TEXT
    return FieldColumn(f"cf_{own}_{alias}".rstrip("_"), {**schema, "description": told})


def known_columns(properties: Mapping[str, Any]) -> dict[int, FieldColumn]:
    """Returns the columns of custom fields among those of a stream's schema, by the field's id."""
    named = ((_NAME.fullmatch(name), schema) for name, schema in properties.items() if isinstance(schema, Mapping))
    return {int(match[1]): FieldColumn(match[0], schema) for match, schema in named if match}


def field_columns(odd: Row, record: Row, columns: Mapping[int, FieldColumn], zone: tzinfo) -> Row:
    """Returns the columns of the record's custom fields that are filled. `odd`: see `Record`."""
    row: Row = {}
    for field in as_list(record.get("custom_fields_values")):
        own = read(values.as_integer, field.get("field_id"), odd, "custom_fields") if type(field) is dict else None
        known = None if own is None else columns.get(own)
        elements = as_list(field.get("values")) if known else []
        if known and elements:
            row[known.name] = _value(odd, known, field.get("field_type"), elements, zone)
    return row


def _value(odd: Row, known: FieldColumn, kind: Json, given: list[Json], zone: tzinfo) -> Json:
    elements = [element if type(element) is dict else {"value": element} for element in given]
    types, form = known.schema.get("type", ()), known.schema.get("format")
    if "array" in types or ("string" in types and form is None):
        texts = [values.field_text(element, kind, zone) for element in elements]
        return read(values.as_texts if "array" in types else values.as_joined_text, texts, odd, known.name)
    if len(elements) > 1:
        odd.setdefault(known.name, given)
    value = elements[0].get("value")
    if "number" in types or "boolean" in types:
        return read(values.as_number if "number" in types else values.as_boolean, value, odd, known.name)
    write = values.WRITERS["date" if form == "date" else "date_time"]
    return read(lambda seconds: write(seconds, zone), value, odd, known.name)


class ReadableStream(IncrementalStream):
    """A stream with one row a record, and with columns for the record's custom fields."""

    def __init__(self, account: Account, properties: Mapping[str, Any] | None = None) -> None:
        super().__init__(account, properties)
        self._fields = known_columns(properties or {}) if account.config.readable_columns else {}
        self._configured = properties is not None
        if self._fields:
            self.account_extras = (*self.account_extras, "datetime_settings")
        for each in self._fields.values():
            self.record.add(each.name)

    def further_columns(self) -> Mapping[str, Any]:
        """Adds the columns that the connection is configured with; else those that the account's fields make."""
        columns: Iterable[FieldColumn | None] = self._fields.values()
        if not self._configured and self.account.config.readable_columns:
            try:
                fields = self.account.dictionary(f"{self.resources[0].path}/custom_fields", "custom_fields")
                columns = map(column, fields)
            except CLOSED as error:
                LOGGER.warning("The custom fields of %s are no columns of it: %s", self.name, error)
        return {**{each.name: each.schema for each in columns if each}, **super().further_columns()}

    def row(self, record: Row, context: Context) -> Row:
        if not self._fields:
            return self.record(record)
        odd: Row = {}
        columns = field_columns(odd, self.record.source(record), self._fields, context.timezone)
        return self.record(record, odd, **columns)


def is_communication(field: dict[str, Json]) -> bool:
    """Telephony integrations keep their ids in a field known only by its code or its name."""
    labels = field.get("field_code"), field.get("field_name")
    return any(type(label) is str and label.strip().lower() in _COMMUNICATION for label in labels)


def name_of(company: Row) -> str | None:
    return name if isinstance(name := company.get("name"), str) else None


class Deals(ReadableStream):
    resources = (LEADS,)
    deletable = True
    found = {"main_contact": values.main_contact, "sale": values.exact_amount("price")}


class Contacts(ReadableStream):
    resources = (CONTACTS,)
    deletable = True
    lookup = Lookup("company_name", COMPANIES, key=lambda row: row["company"], value=name_of)
    found = {
        "phones": values_of(lambda field: field.get("field_code") == "PHONE"),
        "emails": values_of(lambda field: field.get("field_code") == "EMAIL"),
        "communication_ids": values_of(is_communication),
    }


class Statuses(FullRefreshStream):
    list_path = PIPELINES
    in_every_account = True
    exploded = True

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """Yields a row per status, made of its pipeline with that status alone. Raises RowError when one has no id."""
        pipeline = self.record.source(record)
        self.record.key(pipeline.get("id"), pipeline, "pipeline_id")
        for status in as_list(child(pipeline.get("_embedded"), "statuses")):
            yield self.record({**pipeline, "_embedded": {"statuses": self.record.source(status)}})


FURTHER = [
    ReadableStream.table("companies", resources=(COMPANIES,), deletable=True),
    FullRefreshStream.table("pipelines", list_path=PIPELINES),
    FullRefreshStream.table("loss_reasons", list_path="/api/v4/leads/loss_reasons"),
    FullRefreshStream.table("unsorted", list_path="/api/v4/leads/unsorted"),
]
