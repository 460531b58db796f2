"""Expected values of custom fields, one row each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.account import Account

from .common import Row, compact, shown_fields, stamp


def custom_fields_deals(account: Account) -> list[Row]:
    return _cards(account, "leads", "lead")


def custom_fields_contacts(account: Account) -> list[Row]:
    return _cards(account, "contacts", "contact")


def custom_fields_companies(account: Account) -> list[Row]:
    return _cards(account, "companies", "company")


def custom_fields_customers(account: Account) -> list[Row]:
    return [] if account.switches.customers == "off" else _cards(account, "customers", "customer")


def _cards(account: Account, kind: str, owner: str) -> list[Row]:
    return values(account, kind, owner, account.tables[kind])


def values(account: Account, kind: str, owner: str, owners: Iterable[Row]) -> list[Row]:
    system = {field["id"]: _is_system(account, field) for field in account.fields[kind]}
    zone = ZoneInfo(account.timezone)
    return [
        {
            "custom_field_id": field["field_id"],
            f"{owner}_id": row["id"],
            "name": field["field_name"],
            "enum": value.get("enum_id"),
            "value": _text(field["field_type"], value, zone),
            "is_system": system.get(field["field_id"]),
            "value_index": index,
            f"{owner}_updated_at": stamp(row["updated_at"]),
            "field_code": field["field_code"],
            "field_type": field["field_type"],
            "enum_code": value.get("enum_code", value.get("enum")),
        }
        for row in owners
        for field in shown_fields(account, row)
        for index, value in enumerate(field["values"])
    ]


def _is_system(account: Account, field: Row) -> bool | None:
    """Returns `is_predefined` or, without it, the opposite of `is_deletable`, or None without either."""
    if field.get("is_predefined") is not None:
        return bool(field["is_predefined"])
    deletable = field.get("is_deletable") if account.switches.fields_shape == "full" else None
    return None if deletable is None else not deletable


def _text(field_type: str, item: Row, zone: ZoneInfo) -> str | None:
    """Converts one value to text, by the table catalog's rule for `value` of custom_fields_deals."""
    if "value" not in item:
        return compact(item)
    value: Any = item["value"]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and field_type in ("date", "birthday"):
        return datetime.fromtimestamp(value, zone).date().isoformat()
    if isinstance(value, int) and field_type == "date_time":
        return stamp(value)
    return compact(value)
