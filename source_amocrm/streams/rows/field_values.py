"""Rows of the tables of custom fields: one per value of an entity's filled fields."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import tzinfo

from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.streams.rows.values import (
    Json,
    Row,
    UnreadableError,
    as_boolean,
    as_list,
    as_number,
    local_date,
    utc_text,
)


class FieldTable:
    """A table of the values of one kind of entities. `key` and `cursor`: the entity's id and updated_at, as columns."""

    def __init__(self, name: str, owner: str) -> None:
        self.name = name
        self.key = f"{owner}_id"
        self.cursor = f"{owner}_updated_at"
        self._to = Coercion(name)

    def __call__(self, entity: Json, *, timezone: tzinfo, system_fields: Mapping[int, bool | None]) -> list[Row]:
        """One row per value of the entity's filled fields, numbered within its field, also if that comes in parts.

        `timezone` is the account's; `system_fields` tells `is_system` by field id, see `dictionaries`.
        Raises RowError when the entity has no id, or a field that has values has none.
        """
        to, entity = self._to, self._to.source(entity)
        own = to.integer_key(entity, "id", self.key)
        updated_at = to.timestamp(entity.get("updated_at"), self.cursor)
        rows: list[Row] = []
        counted: dict[int, int] = {}
        for field in as_list(entity.get("custom_fields_values")):
            if type(field) is not dict:
                to.report("custom_field_id", field)
                continue
            values = as_list(field.get("values"))
            if not values:
                continue
            field_id = to.integer_key(field, "field_id", "custom_field_id")
            name = to.text(field.get("field_name"), "name")
            code = to.text(field.get("field_code"), "field_code")
            kind = to.text(field.get("field_type"), "field_type")
            first = counted.get(field_id, 0)
            counted[field_id] = first + len(values)
            for index, element in enumerate(values, first):
                value = element if type(element) is dict else {"value": element}
                rows.append(
                    {
                        "custom_field_id": field_id,
                        self.key: own,
                        "name": name,
                        "enum": to.integer(value.get("enum_id"), "enum"),
                        "value": written(to, value, kind, timezone),
                        "is_system": system_fields.get(field_id),
                        "value_index": index,
                        self.cursor: updated_at,
                        "field_code": code,
                        "field_type": kind,
                        "enum_code": to.text(_enum_code(value), "enum_code"),
                    }
                )
        return rows


deal_fields = FieldTable("custom_fields_deals", "lead")
contact_fields = FieldTable("custom_fields_contacts", "contact")
company_fields = FieldTable("custom_fields_companies", "company")
customer_fields = FieldTable("custom_fields_customers", "customer")
element_fields = FieldTable("custom_fields_catalog_elements", "catalog_element")


def _enum_code(value: dict[str, Json]) -> Json:
    code = value.get("enum_code")
    old = value.get("enum")
    return old if code is None and type(old) is str else code


def written(
    to: Coercion, element: dict[str, Json], kind: str | None, zone: tzinfo, column: str = "value"
) -> str | None:
    """The text of one value. What its type's writer cannot read is written like any other value."""
    value = element.get("value")
    if value is None:
        return to.text(element, column) if kind == "chained_list" else None
    writer = _WRITERS.get(kind) if type(kind) is str else None
    if writer is not None:
        try:
            return writer(value, zone)
        except UnreadableError:
            pass
    return to.text(value, column)


def _flag(value: Json, _zone: tzinfo) -> str:
    return "true" if as_boolean(value) else "false"


def _date(value: Json, zone: tzinfo) -> str:
    return local_date(seconds(value), zone)


def _moment(value: Json, _zone: tzinfo) -> str:
    return utc_text(seconds(value))


def seconds(value: Json) -> int:
    """Unix seconds; 0 is a moment here: amoCRM sends only filled fields."""
    number = as_number(value)
    if number is None:
        raise UnreadableError
    return math.floor(number)


_WRITERS: Mapping[str, Callable[[Json, tzinfo], str]] = {
    "checkbox": _flag,
    "date": _date,
    "birthday": _date,
    "date_time": _moment,
}
