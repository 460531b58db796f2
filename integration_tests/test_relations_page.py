"""docs/relations.md and its pictures are what `make docs` makes of the declarations, and leave no relation out."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections import Counter
from itertools import chain

import pytest

from docs import relations
from docs.picture import Box, Line, Table, svg
from docs.references import references, tables_of
from source_amocrm.streams import STREAMS, schema

SVG = "{http://www.w3.org/2000/svg}"


def test_they_are_what_is_generated() -> None:
    stale = [path.name for path, text in relations.pages().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "`make docs` writes them again"
    pictures = {path for path in relations.pages() if path.suffix == ".svg"}
    assert set(relations.IMAGES.glob("relations-*.svg")) == pictures


def test_each_table_is_whole_in_one_picture_with_all_that_it_refers_to() -> None:
    shown = [table for area in relations.AREAS for table in chain(*relations.columns(area)) if not table.is_guest]
    assert Counter(table.name for table in shown) == Counter(list(STREAMS))
    for table in shown:
        told = {(column, one) for line in table.lines for column in line.text.split(", ") for one in line.targets}
        declared = references(table.name)
        wanted = {(column, one) for column in declared for one in tables_of(declared[column])}
        assert told == {(column, one) for column, one in wanted if column != relations.EVERYWHERE}


def test_airbytes_own_tool_finds_the_columns() -> None:
    """It splits `table.column` at the first point, and takes the columns from the catalog."""
    confirmed = json.loads(relations.CONFIRMED.read_text(encoding="utf-8"))["streams"]
    named = [(one["name"], *pair) for one in confirmed for pair in one["relations"].items()]
    assert len(named) > 150
    for name, column, there in named:
        table, target = there.split(".", 1)
        assert column in schema.load(name)["properties"]
        assert target in schema.load(table)["properties"]


@pytest.mark.parametrize("area", relations.AREAS, ids=lambda area: area.name)
def test_what_a_line_cannot_reach_is_written(area: relations.Area) -> None:
    columns = list(relations.columns(area))
    drawn = ElementTree.fromstring(svg(columns, area.english))
    written = [text.text or "" for text in drawn.iter(f"{SVG}text") if text.get("class") == "far"]
    names = sum(len(text.removeprefix("→ ").split(", ")) for text in written)
    assert len(list(drawn.iter(f"{SVG}circle"))) + names == sum(
        len(line.targets) for table in chain(*columns) for line in table.lines
    )


def test_no_text_leaves_its_box() -> None:
    line = Line("a_column, another_column, a_third_column", ("a_table", "another_table", "a_third_table"))
    box = Box(Table("a", (Line("id", is_key=True), line)), 0, frozenset({"a", "a_third_table"}))
    assert [(left, right) for left, right, _ in box.rows] == [
        ("id", ""),
        ("a_column, another_column, a_third_column", ""),
        ("", "→ a_table, another_table"),
    ]
    assert box.width >= max(len(left) + len(right) for left, right, _ in box.rows) * 6.6
