"""An Excel workbook as it stands in its file, read without the library that wrote it."""

from __future__ import annotations

import re
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from amocrm_warehouse.report.words import Words
from amocrm_warehouse.report.workbook import SHEETS, TOTALS

from .models import Row

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RELATIONS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
EPOCH = datetime(1899, 12, 30)


def sheets(path: Path) -> dict[str, list[list[Any]]]:
    """The cells of each sheet of a workbook by its name: texts, numbers, and None."""
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
                place = sum(26**power * (ord(letter) - 64) for power, letter in enumerate(reversed(letters))) - 1
                value = cell.findtext(f"{MAIN}v")
                cells[-1] += [None] * (place - len(cells[-1]))
                told = value if value is None else texts[int(value)] if cell.get("t") == "s" else float(value)
                cells[-1].append(told)
        found[named.attrib["name"]] = cells
    return found


def links(path: Path) -> dict[str, dict[str, str]]:
    """Where each cell that is a link leads to, by its sheet's name and its own."""
    found = {}
    with zipfile.ZipFile(path) as book:
        for number, named in enumerate(ElementTree.fromstring(book.read("xl/workbook.xml")).iter(f"{MAIN}sheet"), 1):
            sheet = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
            targets = {}
            if linked := [
                (link.attrib["ref"], link.attrib[f"{RELATIONS}id"]) for link in sheet.iter(f"{MAIN}hyperlink")
            ]:
                told = ElementTree.fromstring(book.read(f"xl/worksheets/_rels/sheet{number}.xml.rels"))
                targets = {one.attrib["Id"]: one.attrib["Target"] for one in told}
            found[named.attrib["name"]] = {cell: targets[one] for cell, one in linked}
    return found


def tables_of(path: Path, language: str = "en") -> dict[str, list[Row]]:
    """The rows of each table of `report --xlsx` under the names of ANSWERS; its totals are those of the rows.

    A row with a card has the card's link.
    """
    words, found, linked = Words(language), {}, links(path)
    reasons = {words(f"today.{reason}"): reason for reason in ("no_task", "slow", "waiting", "overdue_task")}
    cells = sheets(path)
    for name, own in SHEETS.items():
        if words(f"{name}.title") not in cells:
            continue
        heads, *rows = cells[words(f"{name}.title")]
        columns = own if len(heads) == len(own) else ["project_id", *own]
        rows = [row + [None] * (len(columns) - len(row)) for row in rows if any(cell is not None for cell in row)]
        totals = rows.pop() if name in TOTALS else []
        for place, total in enumerate(totals):
            if isinstance(total, float):
                wanted = sum(row[place] or 0 for row in rows)
                assert abs(total - wanted) <= 1e-9 * max(abs(wanted), 1), (name, columns[place])
        unknown = {column for place, column in enumerate(columns) if rows and all(row[place] is None for row in rows)}
        assert sum(isinstance(total, float) for total in totals) == len(TOTALS.get(name, set()) - unknown)
        found[name] = [
            {column: typed(column, value, reasons) for column, value in zip(columns, row, strict=True)} for row in rows
        ]
        cards = linked[words(f"{name}.title")]
        for place, card in enumerate(columns):
            for at, row in enumerate(found[name] if card in ("card", "deal") else (), 2):
                row["link"] = cards.pop(f"{'ABC'[place]}{at}", None)
        assert not cards, name
    return found


def typed(column: str, value: Any, reasons: dict[str, str]) -> Any:
    if value is None:
        return None
    if column == "month":
        return (EPOCH + timedelta(days=value)).date().isoformat()
    if column == "since_at_local":
        return EPOCH + timedelta(seconds=round(value * 86_400))
    if column == "talk_seconds":
        return value * 86_400
    return reasons[value] if column == "why" else value
