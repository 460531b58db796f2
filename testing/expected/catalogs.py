"""Expected catalogs and their elements."""

from __future__ import annotations

from sandbox.account import Account

from .common import Row, shown_fields, stamp
from .field_values import values

CATALOG = (
    "name", "type", "created_by", "updated_by", "created_at", "updated_at", "sort", "can_add_elements",
    "can_show_in_cards", "can_link_multiple", "can_be_deleted", "sdk_widget_code", "account_id",
)  # fmt: skip


def catalogs(account: Account) -> list[Row]:
    if not account.switches.catalogs:
        return []
    return [
        {
            "catalog_id": catalog["id"],
            **{name: stamp(catalog[name]) if name.endswith("_at") else catalog[name] for name in CATALOG},
        }
        for catalog in account.catalogs
    ]


def catalog_elements(account: Account) -> list[Row]:
    return [
        {
            "catalog_element_id": element["id"],
            "catalog_id": catalog["id"],
            "name": element["name"],
            "created_by": element["created_by"],
            "updated_by": element["updated_by"],
            "created_at": stamp(element["created_at"]),
            "updated_at": stamp(element["updated_at"]),
            "is_deleted": bool(element["is_deleted"]),
            "items": [
                value["value"]
                for field in element["custom_fields_values"] or []
                if field["field_type"] == "items"
                for value in field["values"]
            ],
            "custom_fields": shown_fields(account, element),
            "account_id": element["account_id"],
        }
        for catalog in _shown(account)
        for element in account.elements[catalog["id"]]
    ]


def custom_fields_catalog_elements(account: Account) -> list[Row]:
    return [
        row
        for catalog in _shown(account)
        for row in values(account, f"catalogs/{catalog['id']}", "catalog_element", account.elements[catalog["id"]])
    ]


def _shown(account: Account) -> list[Row]:
    return account.catalogs if account.switches.catalogs else []
