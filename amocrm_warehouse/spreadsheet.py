"""Reads the cells of a CSV file or of an Excel workbook as texts."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from amocrm_warehouse.first_sheet import DAMAGED

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
    """Returns the lines of the first sheet, which a process of its own reads: the area between two cells that lie far
    apart would end this one.
    """
    program = [sys.executable, "-I", "-m", "amocrm_warehouse.first_sheet"]
    done = subprocess.run(program, input=content, capture_output=True, check=False)
    if done.returncode:
        why = "it is damaged, or a password protects it. Save it as .xlsx again"
        far = "some of its cells lie too far from the others. Leave only these columns in it"
        raise ValueError(f"The workbook {path} cannot be read: {why if done.returncode == DAMAGED else far}.")
    return iter(json.loads(done.stdout))


def decode(content: bytes) -> str:
    """Decodes UTF-8, or what Excel writes in Russia: Windows-1251, and UTF-16 for “Unicode text”."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1251", errors="replace")
