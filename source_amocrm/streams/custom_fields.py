"""Custom fields: their dictionary, their groups on a card, and their values.

Each kind of entities has a table of values, made of the same reading as the entities.
"""

from __future__ import annotations

import logging
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone, tzinfo
from itertools import count
from typing import Any

from source_amocrm.account.resources import Resource
from source_amocrm.engine.stream_interface import READ_AT, Context
from source_amocrm.streams import values
from source_amocrm.streams.base import AmocrmStream, PartsStream
from source_amocrm.streams.per_entity import CATALOGS, OF_CARDS, SEGMENTS, PerEntityStream
from source_amocrm.streams.values import Json, Row, UnreadableError, as_list, child, read

LOGGER = logging.getLogger("airbyte")
_FIELD_TYPES = """
    text numeric textarea price streetaddress tracking_data monetary checkbox url date date_time birthday
    select multiselect radiobutton category multitext smart_address legal_entity items linked_entity chained_list
    file payer supplier org_legal_name
"""
FIELD_TYPES = frozenset(_FIELD_TYPES.split())
"""The types of custom fields that amoCRM documents, or its own PHP library knows."""


class CustomFields(PerEntityStream):
    name = "custom_fields"
    kinds = (*OF_CARDS, SEGMENTS, CATALOGS)
    list_path = "/custom_fields"
    # The options of the type category are a tree, which amoCRM keeps in `nested`, with `enums` null.
    found = {
        "enums": lambda field: field.get("nested") or field.get("enums"),
        "column_name": lambda field: column_name(field.get("id"), field.get("name")),
    }


def column_name(field_id: Json, name: Json) -> str:
    """Returns the name of a field's column: its id, which never changes, and its name in small Latin letters.

    Every table and mart with a column for a custom field has the name from here.
    """
    latin = name.lower().translate(_LATIN) if type(name) is str else ""
    plain = unicodedata.normalize("NFKD", latin).encode("ascii", "ignore").decode().lower()
    alias = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_LONGEST_ALIAS]
    return f"cf_{field_id}_{alias}".rstrip("_")


_LONGEST_ALIAS = 40  # letters of a field's name in the name of its column; the rest is cut off
_LATIN: dict[int, Any] = {
    **str.maketrans("абвгдеёзийклмнопрстуфыэіґ", "abvgdeeziyklmnoprstufyeig"),
    **str.maketrans({"ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch"}),
    **str.maketrans({"ю": "yu", "я": "ya", "ї": "yi", "є": "ye"}),
    **str.maketrans("әғқңөұүһўłøđı", "agqnouuhulodi"),
    **str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe"}),
}
"""Letters that Unicode does not decompose into Latin ones. A letter without a Latin one leaves the name."""


CustomFieldGroups = PerEntityStream.table(
    "custom_field_groups",
    kinds=(*OF_CARDS, CATALOGS),
    list_path="/custom_fields/groups",
    collection="custom_field_groups",
)


class FieldRowStream(AmocrmStream):
    """A stream of the values of custom fields. Their entity dates them, and their key begins with its id."""

    account_extras = ("datetime_settings",)
    exploded = True

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """Returns one row per value of the record's filled fields, numbered by field even if a field comes twice.

        Raises RowError if the record, or a field with values, has no id.
        """
        make, key = self.record, self.primary_key[0]
        entity, cursor = make.source(record), f"{key.removesuffix('_id')}_updated_at"
        entity_id, of_entity = make.key(entity.get("id"), entity, key), Row()
        updated_at = read(values.as_timestamp, entity.get("updated_at"), of_entity, cursor)
        rows: list[Row] = []
        numbers: defaultdict[int, Iterator[int]] = defaultdict(count)
        for field in as_list(entity.get("custom_fields_values")):
            if type(field) is not dict:
                make.report("custom_field_id", field)
                continue
            if not (elements := as_list(field.get("values"))):
                continue
            field_id, of_field = make.key(field.get("field_id"), field, "custom_field_id"), of_entity.copy()
            name, code, kind = field.get("field_name"), field.get("field_code"), field.get("field_type")
            if not (type(name) is str and type(kind) is str and (code is None or type(code) is str)):
                name = read(values.as_text, name, of_field, "name")
                code = read(values.as_text, code, of_field, "field_code")
                kind = read(values.as_text, kind, of_field, "field_type")
            for element in elements:
                value, odd = element if type(element) is dict else {"value": element}, of_field.copy()
                row = {
                    "custom_field_id": field_id,
                    key: entity_id,
                    "name": name,
                    "enum": read(values.as_integer, value.get("enum_id"), odd, "enum"),
                    "value": read(values.as_text, field_text(value, kind, context.timezone), odd, "value"),
                    "is_system": context.system_fields.get(field_id),
                    "value_index": next(numbers[field_id]),
                    cursor: updated_at,
                    "field_code": code,
                    "field_type": kind,
                    "enum_code": read(values.as_text, _enum_code(value), odd, "enum_code"),
                    READ_AT: context.read_at,
                }
                rows.append(make.finished(row, odd) if odd else row)
        return rows


class FieldValueStream(FieldRowStream, PartsStream):
    """The values of one kind of entities. The dictionary of custom fields tells which fields are amoCRM's own."""

    def context(self, resource: Resource) -> Context:
        fields = self.account.dictionary(self.vital_paths[0], "custom_fields")
        return replace(super().context(resource), system_fields=system_fields(fields))


VALUES = [
    FieldValueStream.table(name, vital_paths=(f"{path}/custom_fields",))
    for name, path in zip(
        ("custom_fields_deals", "custom_fields_contacts", "custom_fields_companies", "custom_fields_customers"),
        OF_CARDS,
        strict=True,
    )
]


def system_fields(fields: Iterable[Json]) -> dict[int, bool | None]:
    """Returns by id whether a custom field is amoCRM's own; None if the dictionary does not tell."""
    ids = ((read(values.as_integer, child(field, "id")), field) for field in fields)
    return {field_id: _is_system(field) for field_id, field in ids if field_id is not None}


def _is_system(field: Json) -> bool | None:
    predefined = read(values.as_boolean, child(field, "is_predefined"))
    deletable = read(values.as_boolean, child(field, "is_deletable"))
    return predefined if predefined is not None or deletable is None else not deletable


def _enum_code(value: dict[str, Json]) -> Json:
    code, old = value.get("enum_code"), value.get("enum")
    return old if code is None and type(old) is str else code


def field_text(element: dict[str, Json], kind: Json, zone: tzinfo) -> Json:
    """Returns one value of a custom field of the type `kind`: its text, or a value that `as_text` makes into one.

    A value that its type's writer cannot read is returned as it is.
    """
    value = element.get("value")
    if value is None:
        return element if kind == "chained_list" else None
    write = WRITERS.get(kind) if type(kind) is str else None
    text = read(lambda readable: write(readable, zone), value) if write else None
    return value if text is None else text


WRITERS: Mapping[str, Callable[[Json, tzinfo], str]] = {
    "checkbox": lambda value, _: "true" if values.as_boolean(value) else "false",
    "date": lambda value, zone: local_date(as_seconds(value), zone),
    "birthday": lambda value, zone: local_date(as_seconds(value), zone),
    "date_time": lambda value, _: values.utc_text(as_seconds(value)),
}
"""By the type of a custom field, the function that writes one of its values as text."""


def as_seconds(value: Json) -> int:
    """Returns the Unix seconds of a custom field's value. 0 is a date, not “empty”: amoCRM sends only filled fields."""
    number = values.as_number(value)
    if number is None:
        raise UnreadableError
    return math.floor(number)


def local_date(seconds: int, zone: tzinfo) -> str:
    """Returns the date (YYYY-MM-DD) of these Unix seconds in the zone: amoCRM keeps a date as its local midnight."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
        return moment.astimezone(zone).date().isoformat()
    except (OverflowError, ValueError) as error:
        raise UnreadableError from error


def values_of(wanted: Callable[[dict[str, Json]], bool]) -> Callable[[dict[str, Json]], list[Json]]:
    """Returns a function that finds the values of a record's `wanted` custom fields."""

    def find(record: dict[str, Json]) -> list[Json]:
        fields = [field for field in as_list(record.get("custom_fields_values")) if type(field) is dict]
        elements = (element for field in fields if wanted(field) for element in as_list(field.get("values")))
        return [element.get("value") if type(element) is dict else element for element in elements]

    return find
