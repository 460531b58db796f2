"""Custom fields: their dictionary, their groups on a card, and their values; catalogs, whose elements have only those.

Each kind of entities has a table of values, made of the same reading as the entities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count

from source_amocrm.account.resources import Resource
from source_amocrm.streams import values
from source_amocrm.streams.base import AmocrmStream, FullRefreshStream, PartsStream
from source_amocrm.streams.per_entity import CATALOGS, OF_CARDS, SEGMENTS, PerEntityStream
from source_amocrm.streams.values import Json, Row, as_list, child, read, values_of
from source_amocrm.sync.declaration import Context


def system_fields(fields: Iterable[Json]) -> dict[int, bool | None]:
    """Returns, by the field's id, whether it is amoCRM's own; None where the dictionary does not tell."""
    ids = ((read(values.as_integer, child(field, "id")), field) for field in fields)
    return {own: _is_system(field) for own, field in ids if own is not None}


def _is_system(field: Json) -> bool | None:
    predefined = read(values.as_boolean, child(field, "is_predefined"))
    deletable = read(values.as_boolean, child(field, "is_deletable"))
    return predefined if predefined is not None or deletable is None else not deletable


def _enum_code(value: dict[str, Json]) -> Json:
    code, old = value.get("enum_code"), value.get("enum")
    return old if code is None and type(old) is str else code


class FieldRowStream(AmocrmStream):
    """A stream with the values of custom fields, dated by their entity. Its key begins with the id of the entity."""

    account_extras = ("datetime_settings",)
    exploded = True

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """Returns one row per value of the record's filled fields, numbered within its field; that may come in parts.

        Raises RowError when the record has no id, or when a field that has values has none.
        """
        make, key = self.record, self.primary_key[0]
        entity, cursor = make.source(record), f"{key.removesuffix('_id')}_updated_at"
        own, of_entity = make.key(entity.get("id"), entity, key), Row()
        updated_at = read(values.as_timestamp, entity.get("updated_at"), of_entity, cursor)
        rows: list[Row] = []
        numbers: defaultdict[int, Iterator[int]] = defaultdict(count)
        for field in as_list(entity.get("custom_fields_values")):
            if type(field) is not dict:
                make.report("custom_field_id", field)
                continue
            elements = as_list(field.get("values"))
            if not elements:
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
                    key: own,
                    "name": name,
                    "enum": read(values.as_integer, value.get("enum_id"), odd, "enum"),
                    "value": read(values.as_text, values.field_text(value, kind, context.timezone), odd, "value"),
                    "is_system": context.system_fields.get(field_id),
                    "value_index": next(numbers[field_id]),
                    cursor: updated_at,
                    "field_code": code,
                    "field_type": kind,
                    "enum_code": read(values.as_text, _enum_code(value), odd, "enum_code"),
                }
                rows.append(make.finished(row, odd) if odd else row)
        return rows


class CustomFields(PerEntityStream):
    kinds = (*OF_CARDS, SEGMENTS, CATALOGS)
    list_path = "/custom_fields"
    # The options of the type category are a tree, which amoCRM keeps in `nested`, with `enums` null.
    found = {"enums": lambda field: field.get("nested") or field.get("enums")}


CustomFieldGroups = PerEntityStream.table(
    "custom_field_groups",
    kinds=(*OF_CARDS, CATALOGS),
    list_path="/custom_fields/groups",
    collection="custom_field_groups",
)


class FieldValueStream(FieldRowStream, PartsStream):
    """The values of one kind of entities. The dictionary of fields tells which fields are amoCRM's own."""

    def context(self, resource: Resource) -> Context:
        fields = self.account.dictionary(self.vital_paths[0], "custom_fields")
        return replace(super().context(resource), system_fields=system_fields(fields))


VALUES = [
    FieldValueStream.table(f"custom_fields_{cards}", vital_paths=(f"{path}/custom_fields",))
    for cards, path in zip(("deals", "contacts", "companies", "customers"), OF_CARDS, strict=True)
]


class CustomFieldsCatalogElements(FieldRowStream, PerEntityStream):
    kinds = (CATALOGS,)
    list_path = "/elements"
    needed = ("/custom_fields",)

    def records_of(self, path: str, context: Context) -> Iterable[tuple[Row, Context]]:
        elements = [element for element, _ in super().records_of(path, context)]
        fields = self.account.dictionary(f"{path}/custom_fields", "custom_fields") if elements else []
        told = replace(context, timezone=self.account.facts().timezone, system_fields=system_fields(fields))
        return ((element, told) for element in elements)


class Catalogs(FullRefreshStream):
    list_path = CATALOGS

    def probe(self, path: str) -> None:
        """Asks for the whole list: the streams that have a list in each catalog need it, too."""
        self.account.dictionary(path, self.collection)


class CatalogElements(PerEntityStream):
    """amoCRM filters elements by id only, so they are read whole each time. An invoice lists its items in a field."""

    kinds = (CATALOGS,)
    list_path = "/elements"
    found = {"items": values_of(lambda field: field.get("field_type") == "items")}
