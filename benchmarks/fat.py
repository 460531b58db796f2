"""Leads as heavy as those of accounts with many custom fields."""

from __future__ import annotations

from typing import Any

import orjson

from sandbox.account import Account

ANSWERED_BESIDES = 700
"""Size of the `_links` and `_embedded` that the sandbox adds to a lead in its answers (bytes)."""


def fatten(account: Account, size: int) -> None:
    """Adds custom fields to every lead until its JSON in an answer has about `size` bytes."""
    leads = account.tables["leads"].rows
    for lead_id, lead in leads.items():
        values: list[dict[str, Any]] = list(lead["custom_fields_values"] or [])
        missing = size - ANSWERED_BESIDES - len(orjson.dumps(lead))
        number = 0
        while missing > 0:
            values.append(_value(number, lead_id))
            missing -= len(orjson.dumps(values[-1])) + 1
            number += 1
        leads[lead_id] = {**lead, "custom_fields_values": values}


def _value(number: int, lead: int) -> dict[str, Any]:
    value = {"value": f"Вариант {lead % 90 + 10}", "enum_id": 5_000_000 + lead % 90, "enum_code": None}
    name = f"Дополнительное поле {number + 1}"
    return {
        "field_id": 2_000_000 + number,
        "field_name": name,
        "field_code": None,
        "field_type": "select",
        "values": [value],
    }
