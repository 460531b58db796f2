"""Values of custom fields in the shapes of the API, single and in pools that rows share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from ..account_data import AccountData
from ..store import Row
from .texts import CITIES, FIRMS, FORMS, GOODS, NOTES, STREETS

Value = dict[str, Any]


def entry(field: Row, values: list[Value]) -> Row:
    """One element of `custom_fields_values`."""
    return {
        "field_id": field["id"],
        "field_name": field["name"],
        "field_code": field["code"],
        "field_type": field["type"],
        **({"is_computed": False} if field["type"] == "monetary" else {}),
        "values": values,
    }


def pool(account: AccountData, field: Row, rng: Random, size: int = 200) -> list[Row]:
    """Makes values of a field for several rows to share, which saves memory in large accounts."""
    return [entry(field, values_for(account, field, rng)) for _ in range(size)]


def zone_of(account: AccountData) -> ZoneInfo:
    return ZoneInfo(account.timezone)


def values_for(account: AccountData, field: Row, rng: Random) -> list[Value]:
    """Makes a random `values` of the field."""
    if field["type"] in _MAKERS:
        return _MAKERS[field["type"]](rng, zone_of(account))
    enums = field.get("nested") or field["enums"] or []
    chosen = (
        rng.sample(enums, min(len(enums), rng.choice((1, 1, 2, 3))))
        if "multi" in field["type"]
        else [rng.choice(enums)]
    )
    if field["type"] == "multitext":
        return [{"value": _contact_text(field["code"], rng), **_enum(e, e["value"])} for e in chosen]
    return [{"value": e["value"], **_enum(e, e.get("code"))} for e in chosen]


def _enum(enum: Row, code: str | None) -> Value:
    return {"enum_id": enum["id"], "enum_code": code}


def _contact_text(code: str | None, rng: Random) -> str:
    if code == "PHONE":
        return f"+79{rng.randrange(10**9):09d}"
    if code == "EMAIL":
        return f"client{rng.randrange(10**6)}@example.com"
    return f"user_{rng.randrange(10**6)}"


def midnight(rng: Random, zone: ZoneInfo, first_year: int, last_year: int) -> int:
    """Returns midnight of a random day in the account's zone, the form of dates in the API."""
    day = datetime(rng.randint(first_year, last_year), rng.randint(1, 12), rng.randint(1, 28), tzinfo=zone)
    return int(day.timestamp())


def _one(make: Callable[[Random], Any]) -> Callable[[Random, ZoneInfo], list[Value]]:
    return lambda rng, _zone: [{"value": make(rng)}]


def _smart_address(rng: Random, _zone: ZoneInfo) -> list[Value]:
    parts = (
        (1, "address_line_1", f"{rng.choice(STREETS)} {rng.randint(1, 90)}"),
        (3, "city", rng.choice(CITIES)),
        (5, "zip", f"{rng.randint(101_000, 692_000)}"),
        (6, "country", "RU"),
    )
    return [{"value": text, "enum_id": number, "enum_code": code} for number, code, text in parts[rng.randint(0, 1) :]]


def _legal_entity(rng: Random) -> Value:
    return {
        "name": f"{rng.choice(FORMS)} {rng.choice(FIRMS)}",
        "entity_type": 1,
        "vat_id": str(rng.randrange(10**9, 10**10)),
        "tax_registration_reason_code": rng.randrange(10**8),
        "address": rng.choice(CITIES),
        "kpp": None,
        "external_uid": None,
    }


def _file(rng: Random) -> Value:
    size = rng.randint(900, 9_000_000)
    file = {"file_uuid": uuid(rng), "version_uuid": uuid(rng), "file_name": "Договор №1.pdf", "file_size": size}
    return file | {"is_deleted": size % 9 == 0}


def _items(rng: Random, _zone: ZoneInfo) -> list[Value]:
    return [
        {
            "value": {
                "sku": f"A-{rng.randint(1, 999)}",
                "description": rng.choice(GOODS),
                "unit_price": rng.choice((10, 99.9, 1500)),
                "quantity": rng.randint(1, 5),
                "unit_type": "шт.",
                "discount": {"type": "amount", "value": 25},
                "vat_rate_id": 18,
                "external_uid": uuid(rng),
            }
        }
        for _ in range(rng.randint(1, 3))
    ]


def uuid(rng: Random) -> str:
    raw = f"{rng.getrandbits(128):032x}"
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"


_MAKERS: dict[str, Callable[[Random, ZoneInfo], list[Value]]] = {
    "text": _one(lambda rng: rng.choice((*CITIES, f"c-{rng.randrange(10**9)}"))),
    "numeric": _one(lambda rng: rng.choice((str(rng.randrange(10**6)), f"{rng.random() * 100:.2f}", "0"))),
    "textarea": _one(lambda rng: rng.choice(NOTES)),
    "price": _one(lambda rng: str(rng.randrange(100, 10**6))),
    "monetary": _one(lambda rng: str(rng.randrange(100, 10**6))),
    "streetaddress": _one(lambda rng: f"г. {rng.choice(CITIES)}, {rng.choice(STREETS)} {rng.randint(1, 99)}"),
    "tracking_data": _one(lambda rng: rng.choice(("yandex", "google", "vk", "https://example.com/?a=1&b=2"))),
    "org_legal_name": _one(lambda rng: f"Общество с ограниченной ответственностью «{rng.choice(FIRMS)}»"),
    "checkbox": _one(lambda rng: rng.random() < 0.7),
    "url": _one(lambda rng: f"https://example.com/form/{rng.randrange(10**4)}"),
    "date": lambda rng, zone: [{"value": midnight(rng, zone, 2019, 2027)}],
    "birthday": lambda rng, zone: [{"value": midnight(rng, zone, 1950, 2008)}],
    "date_time": _one(lambda rng: rng.randrange(1_600_000_000, 1_800_000_000)),
    "smart_address": _smart_address,
    "legal_entity": _one(_legal_entity),
    "items": _items,
    "linked_entity": _one(
        lambda rng: {
            "name": rng.choice(FIRMS),
            "entity_id": rng.randint(1, 10**6),
            "entity_type": "companies",
            "catalog_id": None,
        }
    ),
    "chained_list": lambda rng, _zone: [
        {"catalog_id": 4_589 + 2 * n, "catalog_element_id": rng.randint(1, 9_999)} for n in range(rng.randint(1, 3))
    ],
    "file": _one(_file),
    "payer": _one(lambda rng: {"name": f"ООО {rng.choice(FIRMS)}", "type": "legal", "vat_id": "0000111122"}),
    "supplier": _one(lambda rng: {"entity_id": rng.randint(1, 10**6)}),
}
