"""Reads an Excel workbook from its XML, without the library that wrote it."""

from __future__ import annotations

import re
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from amocrm_warehouse.report.report_words import Words
from amocrm_warehouse.report.workbook import SHEETS, TOTALS

from .models import Row

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RELATIONS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
EPOCH = datetime(1899, 12, 30)


REASONS = ("untouched", "no_task", "slow", "waiting", "overdue_task", "missed_call", "task")


def sheets(path: Path) -> dict[str, list[list[Any]]]:
    """Returns the cells of each sheet by the sheet's name: texts, numbers and None."""
    with zipfile.ZipFile(path) as book:
        parts = {name: ElementTree.fromstring(book.read(name)) for name in book.namelist() if name.endswith(".xml")}
    texts = ["".join(part.text or "" for part in one.iter(f"{MAIN}t")) for one in parts["xl/sharedStrings.xml"]]
    found = {}
    for number, named in enumerate(parts["xl/workbook.xml"].iter(f"{MAIN}sheet"), 1):
        cells: list[list[Any]] = []
        for row in parts[f"xl/worksheets/sheet{number}.xml"].iter(f"{MAIN}row"):
            cells.append([])
            for cell in row:
                letters = re.sub(r"\d", "", cell.attrib["r"])
                index = sum(26**power * (ord(letter) - 64) for power, letter in enumerate(reversed(letters))) - 1
                value = cell.findtext(f"{MAIN}v")
                cells[-1] += [None] * (index - len(cells[-1]))
                content = value if value is None else texts[int(value)] if cell.get("t") == "s" else float(value)
                cells[-1].append(content)
        found[named.attrib["name"]] = cells
    return found


def links(path: Path) -> dict[str, dict[str, str]]:
    """Returns the targets of links, by the name of the sheet and of the cell."""
    found = {}
    with zipfile.ZipFile(path) as book:
        for number, named in enumerate(ElementTree.fromstring(book.read("xl/workbook.xml")).iter(f"{MAIN}sheet"), 1):
            sheet = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
            targets = {}
            if linked := [
                (link.attrib["ref"], link.attrib[f"{RELATIONS}id"]) for link in sheet.iter(f"{MAIN}hyperlink")
            ]:
                relations = ElementTree.fromstring(book.read(f"xl/worksheets/_rels/sheet{number}.xml.rels"))
                targets = {one.attrib["Id"]: one.attrib["Target"] for one in relations}
            found[named.attrib["name"]] = {cell: targets[one] for cell, one in linked}
    return found


def bare(value: Any, words: Words) -> Any:
    """Returns a name without the word for a deactivated user, and any other value as it is."""
    return value.removesuffix(f" · {words('user.deactivated')}") if isinstance(value, str) else value


def tables_of(path: Path, language: str = "en") -> dict[str, list[Row]]:
    """Returns the rows of each table of `report --xlsx` by the names of ANSWERS, a card's row with the card's link.

    Fails if a total is not the sum of its column, of rows of its currency if there are several.
    """
    words, found, linked = Words(language), {}, links(path)
    missing: dict[str, Any] = {
        words(key): None for key in ("user.nobody", "reasons.none_given", "source.unknown", "card.nameless")
    }
    missing |= {words("scope.all"): "*", words("user.robot"): "robot"}
    reasons = {words(f"today.{reason}"): reason for reason in REASONS}
    kinds: dict[Any, Any] = {words(f"speed.{speed}"): speed for speed in range(5)} | {words("speed.none"): None}
    kinds |= {words(f"repeat.{name}"): value for name, value in (("true", True), ("false", False), ("null", None))}
    cells = sheets(path)
    for name, names in SHEETS.items():
        if words(f"{name}.title") not in cells:
            continue
        heads, *rows = cells[words(f"{name}.title")]
        columns = [
            *(["project_id"] if words("column.account") in heads else []),
            *(["currency"] if words("column.currency") in heads else []), *names,
        ]  # fmt: skip
        assert len(heads) == len(columns), name
        rows = [row + [None] * (len(columns) - len(row)) for row in rows if any(cell is not None for cell in row)]
        unread = words("xlsx.unread", tables="")
        rows = [row for row in rows if not str(row[0]).startswith(unread)]
        totals = [row for row in rows if str(row[0]).startswith(words("total"))]
        rows = [row for row in rows if row not in totals]
        assert bool(totals) == (name in TOTALS and bool(rows)), name
        for total in totals:
            currency = str(total[0]).partition(", ")[2]
            of = [row for row in rows if not currency or row[columns.index("currency")] == currency]
            known = {column for index, column in enumerate(columns) if any(row[index] is not None for row in of)}
            sums = {columns[index]: value for index, value in enumerate(total) if isinstance(value, float)}
            assert sums.keys() == TOTALS[name] & known, name
            for column, value in sums.items():
                wanted = sum(row[columns.index(column)] or 0 for row in of)
                assert abs(value - wanted) <= 1e-9 * max(abs(wanted), 1), (name, column)
        found[name] = [
            {
                column: kinds[value]
                if column in ("speed", "is_repeat")
                else typed(column, missing.get(bare(value, words), bare(value, words)), reasons)
                for column, value in zip(columns, row, strict=True)
            }
            for row in rows
        ]
        cards = linked[words(f"{name}.title")]
        for index, card in enumerate(columns):
            for at, row in enumerate(found[name] if card in ("card", "deal") else (), 2):
                row["link"] = cards.pop(f"{'ABCD'[index]}{at}", None)
        assert not cards, name
    for row in found.get("deals", ()):
        del row["days_without_activity"]  # the days until the build, by the clock of the marts
    for name in {"queue", "today"} & found.keys():  # a text that is none of a task stands in no workbook
        assert all(row["text"] is None or "task" in row["why"] for row in found[name])
    return found


def typed(column: str, value: Any, reasons: dict[str, str]) -> Any:
    if value is None:
        return None
    if column in ("month", "created_on", "closed_on"):
        return (EPOCH + timedelta(days=value)).date().isoformat()
    if column == "since_at_local":
        return EPOCH + timedelta(seconds=round(value * 86_400))
    if column == "talk_seconds":
        return value * 86_400
    if column == "is_purchase":
        return bool(value)
    return " ".join(reasons[reason] for reason in value.split(", ")) if column == "why" else value
