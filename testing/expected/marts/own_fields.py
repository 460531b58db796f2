"""Expected custom fields of the marts, after several syncs between which people worked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.account import Account

from .. import Row
from ..dictionaries import column_name
from ..field_values import values

Card = tuple[str, int]
ENTITIES = {"leads": "deal", "contacts": "contact", "companies": "company", "customers": "customer"}
NUMBERS, DATES, OPTIONS = {"numeric", "monetary", "price"}, {"date", "birthday"}, {"select", "radiobutton", "category"}
LISTS = {"multiselect", "multitext", "smart_address", "chained_list", "items", "file"}


@dataclass
class OwnFields:
    """The fields and the values of one account, as of the last reading of each card.

    `marks`: whether the rows of deleted cards are emptied. `listed`: whether the list of fields is read, which names
    the present options. `cells`: one row a value, by card. `read_at`: the updated_at of each card at its last reading.
    `fields`: name, first name, code, type and deletion of every field that was ever read. `labels`: of options.
    """

    project: str
    zone: ZoneInfo
    marks: bool
    listed: bool = True
    cells: dict[Card, list[Row]] = field(default_factory=dict)
    read_at: dict[Card, int] = field(default_factory=dict)
    synced_at: int = 0
    fields: dict[tuple[str, int], Row] = field(default_factory=dict)
    labels: dict[tuple[str, int, int], tuple[bool, int, str]] = field(default_factory=dict)

    def read(self, account: Account, again: Collection[Card] = ()) -> None:
        """Reads again the cards whose updated_at has changed and those restored since the last call, as a sync does.

        `again`: others that a sync has read, as those that a new card is linked to.
        """
        events, self.synced_at, since = list(account.events), account.clock.now(), self.synced_at
        for kind, entity in ENTITIES.items():
            returns = (each for each in events if each.type in ("lead_restored", f"{entity}_restored"))
            returned = {each.entity_id for each in returns if each.created_at > since}
            gone = {number for card, number in self.cells if card == entity and number not in account.tables[kind].rows}
            for number in gone:
                if self.marks and number in account.trash[kind]:
                    self.cells[entity, number] = []
                    self.read_at.pop((entity, number), None)
            for row in account.tables[kind]:
                card = (entity, row["id"])
                if self.read_at.get(card) != row["updated_at"] or row["id"] in returned or card in again:
                    self.read_at[card] = row["updated_at"]
                    self.cells[card] = values(account, kind, "card", [row])
            self._learn(account, kind, entity)

    def _learn(self, account: Account, kind: str, entity: str) -> None:
        met: dict[int, tuple[int, Row]] = {}
        self.labels = {key: facts for key, facts in self.labels.items() if key[0] != entity}
        for card, rows in self.cells.items():
            for value in rows if card[0] == entity else ():
                field_id, moment = value["custom_field_id"], self.read_at[card]
                if field_id not in met or met[field_id][0] < moment:
                    met[field_id] = (
                        moment,
                        {"name": value["name"], "code": value["field_code"], "type": value["field_type"]},
                    )
                if value["enum"] and value["field_type"] in OPTIONS | {"multiselect"}:
                    key = (entity, field_id, value["enum"])
                    self.labels[key] = max(self.labels.get(key, (False, 0, "")), (False, moment, value["value"]))
        listed = {f["id"]: f for f in account.fields[kind]} if self.listed else {}
        for field_id, known in listed.items():
            met[field_id] = (0, {"name": known["name"], "code": known["code"], "type": known["type"]})
            for enum in known.get("nested") or known["enums"] or ():
                if known["type"] in OPTIONS | {"multiselect"}:
                    self.labels[entity, field_id, enum["id"]] = (True, 0, enum["value"])
        for field_id, (_, facts) in met.items():
            column = column_name(field_id, facts["name"]) if field_id in listed else f"cf_{field_id}"
            before = self.fields.get((entity, field_id), facts | {"first": facts["name"], "column": column})
            self.fields[entity, field_id] = before | facts | {"is_deleted": self.listed and field_id not in listed}
        for (of, field_id), facts in self.fields.items():
            if of == entity and field_id not in met:
                facts["is_deleted"] = facts["is_deleted"] or self.listed

    def entity_fields(self) -> list[Row]:
        return [
            {"project_id": self.project, "entity_type": entity, "entity_id": card_id, **self.value(entity, row)}
            for (entity, card_id), rows in self.cells.items()
            for row in rows
        ]

    def value(self, entity: str, row: Row) -> Row:
        """Returns one value as text and in its type."""
        facts = self.fields[entity, row["custom_field_id"]]
        text, kind = row["value"], facts["type"]
        label = self.labels.get((entity, row["custom_field_id"], row["enum"] or 0))
        text = label[2] if label else text
        moment = _moment(text) if kind == "date_time" else None
        local = moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(self.zone).replace(tzinfo=None) if moment else None
        return {
            "custom_field_id": row["custom_field_id"], "name": facts["name"], "field_code": facts["code"],
            "field_type": kind, "value_index": row["value_index"], "enum": row["enum"], "value": text,
            "value_number": _number(text) if kind in NUMBERS else None,
            "value_date": _day(text) if kind in DATES else None,
            "value_at": moment, "value_at_local": local,
            "value_boolean": {"true": True, "false": False}.get(text or "") if kind == "checkbox" else None,
        }  # fmt: skip

    def columns(self, taken: Collection[tuple[str, str]] = ()) -> dict[tuple[str, int], str]:
        """Returns the column of each field, by entity and id. `taken`: columns of other accounts' fields."""
        found = {}
        for (entity, field_id), facts in self.fields.items():
            column = facts["column"]
            found[entity, field_id] = f"{column[:58]}_{self.project}" if (entity, column) in taken else column
        return found

    def wide(self, entity: str) -> dict[int, dict[int, Any]]:
        """Returns the values of each card by the field's id."""
        found: dict[int, dict[int, Any]] = {}
        for (of, card_id), rows in self.cells.items():
            if of == entity:
                by_field: dict[int, list[Row]] = {}
                for row in rows:
                    by_field.setdefault(row["custom_field_id"], []).append(self.value(entity, row))
                found[card_id] = {field_id: _cell(filled) for field_id, filled in by_field.items()}
        return found


def _cell(filled: list[Row]) -> Any:
    kind = filled[0]["field_type"]
    for types, name in (
        (NUMBERS, "value_number"),
        (DATES, "value_date"),
        ({"date_time"}, "value_at"),
        ({"checkbox"}, "value_boolean"),
    ):
        if kind in types:
            return filled[0][name]
    texts = [row["value"] for row in filled if row["value"] is not None]
    if kind in LISTS:
        return texts or None
    return ", ".join(texts) if texts else None


def _number(text: str | None) -> Decimal | None:
    if not text or not re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d\d?)?", text, re.ASCII):
        return None
    number = Decimal(text)
    return number.quantize(Decimal("1e-9"), ROUND_HALF_UP, Context(prec=60)) if abs(number) < Decimal("1e28") else None


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat((text or "")[:10]) if re.fullmatch(r"\d{4}-\d\d-\d\d", (text or "")[:10]) else None
    except ValueError:
        return None


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.strptime(text or "", "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return None


def grouped_by(projects: Iterable[OwnFields], name: str) -> dict[tuple[str, int], str | None]:
    """Returns the text of the field of that name in each deal, by project and deal, for tables grouped by the field."""
    found = {}
    for known in projects:
        wanted = next(
            (
                field_id
                for (entity, field_id), facts in known.fields.items()
                if entity == "deal" and facts["name"] == name
            ),
            0,
        )
        for (entity, deal), rows in known.cells.items():
            texts = [known.value(entity, row)["value"] for row in rows if row["custom_field_id"] == wanted]
            if entity == "deal":
                found[known.project, deal] = ", ".join(sorted(text for text in texts if text is not None)) or None
    return found
