"""`make docs`: the data dictionary, and the list of streams in docs/amocrm.md, in both languages.

Made of the streams' declarations, their schemas, the table catalog, docs/russian.yaml and the words
of `source-amocrm connect`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from source_amocrm.connect.words import table_names
from source_amocrm.streams import STREAMS
from source_amocrm.streams.relations import OneOf, Relation

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "source_amocrm" / "schemas"
CATALOG = ROOT / "unit_tests" / "table-catalog.yaml"
RUSSIAN = ROOT / "docs" / "russian.yaml"
DICTIONARY = ROOT / "docs" / "data-dictionary.md"
HEADS = {"": "| stream | таблица | key | cursor |", ".ru": "| поток | таблица | ключ | курсор |"}
LISTS = {ROOT / "docs" / f"amocrm{language}.md": head for language, head in HEADS.items()}
"""The pages with a list of the streams, and the list's head."""

HEAD = """\
# Data dictionary · Словарь данных

Every table the connector fills, column by column. `make docs` writes this page from `source_amocrm/schemas`; do not
edit it by hand. With the stream prefix `amocrm_<project_id>_` the stream `deals` becomes the table
`amocrm_<project_id>_deals`.

Все таблицы коннектора, столбец за столбцом. С префиксом потока `amocrm_<project_id>_` поток `deals` становится таблицей
`amocrm_<project_id>_deals`. Тип `timestamp` — время в UTC, RFC 3339; `json` — объект или массив amoCRM как есть.

`timestamp` is UTC, RFC 3339; `json` is an object or array as amoCRM gives it; lists of ids are never null; every column
but the key may be null. **Bold** columns are the key. *Italic* is the cursor. → leads to the table that has the row
whose id, or ids, the column holds: [the picture](relations.md).

**Жирным** — ключ, *курсивом* — курсор, → ведёт к таблице, где лежит строка с этим ID: [схема таблиц](relations.md).
"""

TYPES = {"integer": "int", "boolean": "bool"}


def pages() -> dict[Path, str]:
    """Every generated page, or page with a generated part, as it should be."""
    catalog = yaml.safe_load(CATALOG.read_text(encoding="utf-8"))["tables"]
    russian = {"tables": table_names("ru"), **yaml.safe_load(RUSSIAN.read_text(encoding="utf-8"))}
    tables = ["\n".join(_table(name, catalog.get(name, {}).get("columns", {}), russian)) for name in STREAMS]
    lists = {}
    for path, head in LISTS.items():
        before, _, rest = path.read_text(encoding="utf-8").partition("<!-- streams -->\n")
        after = rest.partition("<!-- /streams -->")[2]
        lists[path] = f"{before}<!-- streams -->\n{_streams(russian, head)}<!-- /streams -->{after}"
    return {DICTIONARY: "\n".join([HEAD, *tables]), **lists}


def _streams(russian: Mapping[str, Any], head: str) -> str:
    lines = [head, "| --- | --- | --- | --- |"]
    for table in STREAMS.values():
        key = ", ".join(f"`{column}`" for column in table.primary_key)
        cursor = f"`{table.cursor_field}`" if table.cursor_field else "–"
        title = f"[`{table.name}`](data-dictionary.md#{table.name})"
        lines.append(f"| {title} | {russian['tables'][table.name]} | {key} | {cursor} |")
    return "\n".join(lines) + "\n"


def _table(name: str, catalog: Mapping[str, Any], russian: Mapping[str, Any]) -> Iterator[str]:
    columns = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))["properties"]
    yield f"## {name}\n\n{russian['tables'][name]}\n"
    yield "| column | type | description | описание |"
    yield "| --- | --- | --- | --- |"
    for column, schema in columns.items():
        title = f"`{column}`"
        if column in STREAMS[name].primary_key:
            title = f"**{title}**"
        if column == STREAMS[name].cursor_field:
            title = f"*{title}*"
        if column in STREAMS[name].relations:
            title += f" → {', '.join(f'[{table}](#{table})' for table in tables_of(STREAMS[name].relations[column]))}"
        ours = _russian(catalog.get(column)) or russian["columns"][name][column]
        yield f"| {title} | {_type(schema)} | {_cell(schema['description'])} | {_cell(ours)} |"
    yield ""


def tables_of(relation: Relation | OneOf) -> list[str]:
    """The tables that a column refers to."""
    return [one.table for one in (relation.tables.values() if isinstance(relation, OneOf) else [relation])]


def _russian(column: Mapping[str, Any] | None) -> str | None:
    """The catalog's name; YAML takes what follows a comma in it for another key, one without a value."""
    if column is None:
        return None
    return ", ".join([column["ru"], *(key for key, value in column.items() if value is None)])


def _type(schema: Mapping[str, Any]) -> str:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    [kind, *others] = [item for item in types if item != "null"]
    if schema.get("format") == "date-time":
        return "timestamp"
    if kind == "array" and schema.get("items", {}).get("type") in ("integer", "string"):
        return f"{_type(schema['items'])}[]"
    if others or kind in ("array", "object"):
        return "json"
    return TYPES.get(str(kind), str(kind))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
