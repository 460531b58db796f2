"""Rows of catalogs and their elements: products, invoices and what else an account keeps in lists."""

from __future__ import annotations

from source_amocrm.streams.rows.record import Record
from source_amocrm.streams.rows.values import Json, Row, as_list, child, given

_ELEMENTS = Record("catalog_elements", catalog_element_id="id")

catalog = Record("catalogs", catalog_id="id")


def catalog_element(element: Json, catalog_id: int) -> Row:
    """The row of an element. Raises RowError when it has no id."""
    fields = given(child(element, "custom_fields_values"), [])
    items = [
        child(item, "value")
        for field in as_list(fields)
        if child(field, "field_type") == "items"
        for item in as_list(child(field, "values"))
    ]
    return _ELEMENTS(
        element,
        catalog_id=given(child(element, "catalog_id"), catalog_id),
        is_deleted=given(child(element, "is_deleted"), False),
        items=items,
        custom_fields=fields,
    )
