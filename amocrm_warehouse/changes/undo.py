"""Files by which a person puts a mass change back. They are written, and never sent: this product only reads amoCRM."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amocrm_warehouse.changes.mass_changes import Card, MassChange
from source_amocrm import atomic_file

PACKAGE = 50
"""Cards of one request. amoCRM takes 250, and advises no more than fifty."""
PATHS = {"deal": "leads", "contact": "contacts", "company": "companies", "customer": "customers"}
NAMES = {
    "deal": "Название сделки", "contact": "Имя контакта", "company": "Название компании",
    "customer": "Название покупателя",
}  # fmt: skip
"""The column of amoCRM's import that holds the name."""
COLUMNS = {"responsible": ["Ответственный"], "budget": ["Бюджет"], "tag": ["Теги"]}
LISTS = ("select", "multiselect", "radiobutton", "category")
MOMENTS = ("date", "birthday", "date_time")
Body = dict[str, Any]


def write_undo(changes: list[MassChange], folder: Path) -> dict[str, int]:
    """Writes the files into a new or empty folder. Returns the number of cards that are put back and left out.

    Raises ValueError for a folder that holds files.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"The folder {folder} is not empty. Name a new one: --undo undo-2026-11-30.")
    packages: list[Body] = []
    tables: dict[str, list[dict[str, Any]]] = {}
    left_out: list[tuple[MassChange, Card, str]] = []
    count = 0
    for change in changes:  # the newest first: an older one gives back what its cards had before it
        bodies = []
        for card in change.touched:
            reason, body = _body(change, card)
            if reason:
                left_out.append((change, card, reason))
                continue
            bodies.append({"id": card.entity_id, **body})
            tables.setdefault(change.entity_type, []).append(_import_row(change, card))
        count += len(bodies)
        path = f"/api/v4/{PATHS.get(change.entity_type, change.entity_type)}"
        packages += [
            {"method": "PATCH", "path": path, "body": bodies[start : start + PACKAGE]}
            for start in range(0, len(bodies), PACKAGE)
        ]
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(package, ensure_ascii=False) + "\n" for package in packages)
    files = {"patch.jsonl": lines, "README.md": _readme(changes, left_out, count, sorted(tables))}
    files |= {f"{PATHS[kind]}.csv": _csv(rows) for kind, rows in tables.items()}
    if left_out:
        head = ["id", "name", "kind", "why"]
        rows = [dict(zip(head, (card.entity_id, card.name, one.kind, why), strict=True)) for one, card, why in left_out]
        files["left-out.csv"] = _csv(rows)
    for name, text in files.items():
        atomic_file.write(folder / name, text.encode("utf-8"))
    return {"put_back": count, "left_out": len(left_out)}


def _body(change: MassChange, card: Card) -> tuple[str, Body]:
    """Returns why the card is left out, or an empty text and the values that put it back."""
    if change.kind in NOT_PUT_BACK:
        return NOT_PUT_BACK[change.kind], {}
    if change.entity_type not in PATHS:
        return "amoCRM's API changes no cards of this kind", {}
    if card.is_gone:
        return "it is deleted, or merged into another one", {}
    if card.is_changed_since:
        return "it was changed since", {}
    if card.key_before is None and change.kind not in ("field", "tag"):
        return "no event tells the value before", {}
    return "", _values(change, card)


NOT_PUT_BACK = {
    "deleted": "the API restores nothing; within thirty days amoCRM's own trash does",
    "merged": "nobody can part merged cards",
    "restored": "the API deletes nothing",
    "task": "a task that was added or done stays so",
}


def _values(change: MassChange, card: Card) -> Body:
    before = card.key_before
    if change.kind == "stage" and before is not None:
        pipeline, _, status = before.rpartition(":")
        return ({"pipeline_id": int(pipeline)} if pipeline else {}) | {"status_id": int(status)}
    if change.kind == "responsible" and before is not None:
        return {"responsible_user_id": int(before)}
    if change.kind == "budget" and before is not None:
        return {"price": int(float(before)) if float(before).is_integer() else float(before)}
    if change.kind == "tag":
        parts = {"tags_to_add": card.before, "tags_to_delete": card.after}
        return {name: [{"name": tag} for tag in tags.split(", ")] for name, tags in parts.items() if tags}
    values = list(_field_values(card)) or None
    return {"custom_fields_values": [{"field_id": change.custom_field_id, "values": values}]}


def _field_values(card: Card) -> Iterator[Body]:
    """Yields a custom field's values as the API takes them. Several texts of an event are a JSON array."""
    if card.key_before is None:
        return
    texts = json.loads(card.key_before) if card.key_before.startswith('["') else [card.key_before]
    enums = json.loads(card.enums_before or "[]")
    for index, text in enumerate(texts):
        enum = {"enum_id": enums[index]} if len(enums) == len(texts) else {}
        if card.value_kind in LISTS and enum:
            yield enum
        elif card.value_kind == "checkbox":
            yield {"value": text == "1"}
        elif card.value_kind in MOMENTS and text.lstrip("-").isdecimal():
            yield {"value": int(text)}
        else:
            yield {"value": text} | enum


def _import_row(change: MassChange, card: Card) -> dict[str, Any]:
    """Returns the row of amoCRM's import: columns by their Russian names, values by name."""
    row: dict[str, Any] = {"ID": card.entity_id, NAMES[change.entity_type]: card.name}
    if change.kind == "stage":
        pipeline, _, stage = (card.before or "").rpartition(" / ")
        return row | ({"Воронка": pipeline} if pipeline else {}) | {"Этап": stage}
    [column] = COLUMNS.get(change.kind, [change.field_name or str(change.custom_field_id)])
    return row | {column: card.before or ""}


def _csv(rows: list[dict[str, Any]]) -> str:
    """Returns rows as CSV with a byte order mark, without which Excel reads Russian letters wrong."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return "\ufeff" + text.getvalue()


README = """\
# Как вернуть, что было · How to put it back

{changes}

`patch.jsonl`: {count} cards, in requests of up to {package}. Send the lines in their order with an integration's token;
each has a method, a path and a body. Nothing was sent: this product only reads amoCRM.

`patch.jsonl`: карточек — {count}, в запросах до {package}. Отправляйте строки по порядку с токеном интеграции: в каждой
метод, путь и тело. Сам продукт ничего не отправляет, он только читает amoCRM.

{tables}

## What stays as it is · Что не вернуть

- The cards in `left-out.csv` ({left_out}), each with its reason. Nobody gives back the values of deleted cards and
  what a merge has swallowed; amoCRM's own trash restores a card for thirty days.
- A deal that goes back to the stage of lost deals gets no loss reason: no event tells it. A deal that goes back to a
  closed stage is closed at the moment of the request.
- Budgets come back without their fractions: events name whole amounts.
- Notes, calls and messages written since stay.
- Robots of the stages to which deals return act again: switch them off first.

- Карточки из `left-out.csv` ({left_out}) — у каждой своя причина. Значения удалённых карточек и поглощённое
  объединением не вернёт никто; корзина amoCRM хранит карточку тридцать дней.
- Сделка, вернувшаяся на этап «Закрыто и не реализовано», остаётся без причины отказа: ни одно событие её не
  называет. Вернувшаяся на закрытый этап закрыта в момент запроса.
- Бюджеты возвращаются без копеек: события называют целые суммы.
- Примечания, звонки и сообщения, появившиеся с тех пор, остаются.
- Роботы этапов, на которые вернутся сделки, сработают снова: сначала выключите их.
"""


def _readme(
    changes: list[MassChange], left_out: list[tuple[MassChange, Card, str]], count: int, kinds: list[str]
) -> str:
    listed = "\n".join(
        f"- {one.began_local:%Y-%m-%d %H:%M}, {one.author_name}: {one.kind}"
        f"{f' «{one.field_name}»' if one.field_name else ''}, {one.entity_type}, {one.cards} cards"
        for one in changes
    )
    files = ", ".join(f"`{PATHS[kind]}.csv`" for kind in kinds)
    tables = f"{files}: the same values for amoCRM's import by hand. · То же для импорта вручную." if files else ""
    return README.format(changes=listed, count=count, package=PACKAGE, tables=tables, left_out=len(left_out))
