"""Reads the cells of a CSV file or of an Excel workbook as texts."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

LARGEST = 20_000_000
"""The most bytes of a file, and of a workbook's parts after unpacking. A larger file is refused."""
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How .xlsx and .ods begin, and .xls or a workbook with a password."""
SEPARATORS = {";": "a semicolon", ",": "a comma", "\t": "a tab"}

Line = tuple[int, list[str]]
"""The number of a line in its file, from 1, and its cells without blanks around them and empty cells at the end."""


def lines(path: Path) -> tuple[str, list[Line]]:
    """Returns the separator (empty for a workbook) and the lines, without empty ones. Raises ValueError."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise ValueError(f"There is no file {path.resolve()}. Correct its path.") from None
    except OSError as error:
        raise ValueError(f"The file {path} cannot be read: {error.strerror}.") from None
    workbook = content.startswith(WORKBOOKS)
    if len(content) > LARGEST or (workbook and _unpacked(content) > LARGEST):
        raise ValueError(f"The file {path} has more than {LARGEST // 1_000_000} MB. Leave only these columns in it.")
    if workbook:
        return "", [*_filled(_sheet(path, content))]
    text = decode(content)
    if "\0" in text:
        raise ValueError(f"The file {path} is neither CSV nor an Excel workbook.")
    rows = text.splitlines()
    separator = max(SEPARATORS, key=next(filter(str.strip, rows), "").count)
    return separator, [*_filled(_cells(path, number, row, separator) for number, row in enumerate(rows, 1))]


def _filled(rows: Iterator[list[str]]) -> Iterator[Line]:
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            yield number, cells


def _cells(path: Path, number: int, row: str, separator: str) -> list[str]:
    """Splits one line: a quoted cell that goes on in the next line is most often a forgotten quotation mark."""
    try:
        return next(csv.reader([row], delimiter=separator, strict=True), [])
    except csv.Error:
        raise ValueError(f"Line {number} of {path}: a quotation mark is not closed. Close or remove it.") from None


def _unpacked(content: bytes) -> int:
    try:
        return sum(part.file_size for part in zipfile.ZipFile(io.BytesIO(content)).infolist())
    except zipfile.BadZipFile:
        return 0  # not a zip: the reader says what is wrong with it


def _sheet(path: Path, content: bytes) -> Iterator[list[str]]:
    """Yields the lines of the first sheet."""
    from python_calamine import CalamineError, CalamineWorkbook  # for workbooks alone

    try:
        rows = (
            CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_index(0).to_python(skip_empty_area=False)
        )
    except CalamineError:
        raise ValueError(
            f"The workbook {path} cannot be read: it is damaged, or a password protects it. Save it as .xlsx again."
        ) from None
    yield from ([_text(value) for value in row] for row in rows)


def _text(value: object) -> str:
    """Returns a cell's value. Excel keeps 15 digits of a number, and a date with a time."""
    if isinstance(value, float):
        return f"{Decimal(f'{value:.15g}'):f}"
    return date(value.year, value.month, value.day).isoformat() if isinstance(value, date) else str(value)


def decode(content: bytes) -> str:
    """Decodes UTF-8, or what Excel writes in Russia: Windows-1251, and UTF-16 for “Unicode text”."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1251", errors="replace")
