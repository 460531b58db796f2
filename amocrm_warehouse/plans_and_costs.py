"""Reads files of plans and costs as spreadsheets write them, and writes plans as dbt reads them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

SEPARATORS = {";": "a semicolon", ",": "a comma", "\t": "a tab"}


def read_plans(path: Path) -> list[list[str]]:
    """Returns rows with the columns of PLANS. Raises ValueError with a sentence if the file cannot be used."""
    return read_rows(path, "plans", PLANS, 3)


def read_costs(path: Path) -> list[list[str]]:
    """Returns rows with the columns of COSTS. Raises ValueError as read_plans does."""
    return read_rows(path, "costs", COSTS, 2)


def read_rows(path: Path, what: str, columns: Mapping[str, Callable[[str], Any]], key: int) -> list[list[str]]:
    """Reads a file whose first `key` columns are its key. `what`: plans or costs, for sentences."""
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        raise ValueError(f"The file of {what} {path} cannot be read: {error.strerror}.") from None
    head = text.partition("\n")[0]
    separator = max(SEPARATORS, key=head.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=separator)
    if sorted(rows.fieldnames or ()) != sorted(columns):
        found = ",".join(rows.fieldnames or ()) or "nothing"
        how = "" if separator == "," else f", separated by {SEPARATORS[separator]}"
        raise ValueError(f"The first line of {path} must name the columns {','.join(columns)}; it has {found}{how}.")
    found_rows, seen = [], dict[tuple[str, ...], int]()
    for row in rows:
        if not any(isinstance(value, str) and value.strip() for value in row.values()):
            continue  # a spreadsheet leaves empty lines
        values = [value_of(path, rows.line_num, name, row[name] or "", read) for name, read in columns.items()]
        own = tuple(values[:key])
        if own in seen:
            same = "plans the same month of the same user" if what == "plans" else "is of the same month and source"
            raise ValueError(f"Line {rows.line_num} of {path} {same} as line {seen[own]}.")
        seen[own] = rows.line_num
        found_rows.append(values)
    return found_rows


def write_plans(rows: list[list[str]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([list(PLANS), *rows])


def decode(content: bytes) -> str:
    """Decodes UTF-8, or what Excel writes in Russia: Windows-1251, and UTF-16 for “Unicode text”."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1251", errors="replace")


def month(text: str) -> date:
    """Parses the first day of a month, 2026-01-01 or, as a spreadsheet shows it, 01.01.2026."""
    parts = re.fullmatch(r"(\d\d?)\.(\d\d?)\.(\d{4})", text)
    found = date(int(parts[3]), int(parts[2]), int(parts[1])) if parts else date.fromisoformat(text)
    if found.day != 1:
        raise ValueError
    return found


def money(text: str) -> Decimal:
    """Parses an amount, also as a spreadsheet shows it: 1 000 000,50."""
    found = Decimal(re.sub(r"\s", "", text).replace(",", "."))
    if not found.is_finite():
        raise ValueError
    return found


PLANS: dict[str, Callable[[str], Any]] = {
    "project_id": str, "month": month, "responsible_user_id": int, "plan": money,
}  # fmt: skip
"""The columns of a file of plans in order, each with the parser of its values."""
COSTS: dict[str, Callable[[str], Any]] = {"month": month, "source": str, "cost": money}
"""The same of a file of costs; its key is month and source."""


def value_of(path: Path, line: int, name: str, text: str, read: Callable[[str], Any]) -> str:
    try:
        return str(read(text.strip()))
    except (ValueError, ArithmeticError):
        shown = "the first day of a month, as 2026-01-01" if name == "month" else "a number"
        raise ValueError(f"Line {line} of {path}: {name} must be {shown}, and is “{text}”.") from None
