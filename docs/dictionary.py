"""`make docs`: writes the data dictionary, and the list of streams in docs/amocrm.md, in both languages.

The sources are the streams' declarations and their schemas, which have the Russian names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs.references import references, tables_of
from source_amocrm.streams import STREAMS, schema

ROOT = Path(__file__).resolve().parents[1]
DICTIONARY = ROOT / "docs" / "data-dictionary.md"
HEADS = {"": "| stream | таблица | key | cursor |", ".ru": "| поток | таблица | ключ | курсор |"}
LISTS = {ROOT / "docs" / f"amocrm{language}.md": head for language, head in HEADS.items()}
"""The pages that hold a list of the streams, each with the head of that list."""

HEAD = """\
# Data dictionary · Словарь данных

Every table that the connector fills, column by column. `make docs` writes this page from `source_amocrm/schemas`; do
not edit it by hand. With the stream prefix `amocrm_<project_id>_` the stream `deals` fills the table
`amocrm_<project_id>_deals`.

**Bold** columns are the key, the *italic* one is the cursor. → leads to the table that has the row whose id, or ids,
the column holds: [pictures](relations.md). *Personal* marks the columns that `personal_data` hashes or drops:
[how](security.md). `timestamp` is UTC, RFC 3339; `json` is an object or array as amoCRM gives it. Lists of ids are
never null; every other column that is not in the key may be null.

Все таблицы коннектора, столбец за столбцом. С префиксом потоков `amocrm_<project_id>_` поток `deals` заполняет таблицу
`amocrm_<project_id>_deals`.

**Жирным** выделен ключ, *курсивом* — курсор. → ведёт к таблице, где лежит строка с этим ID: [картинки](relations.md).
*Personal* — столбцы, которые настройка `personal_data` хеширует или опустошает: [как](security.ru.md). Тип
`timestamp` — время в UTC, RFC 3339; `json` — объект или массив amoCRM как есть. Списки ID никогда не null; любой другой
столбец, кроме ключа, может быть null.
"""

TYPES = {"integer": "int", "boolean": "bool"}


def pages() -> dict[Path, str]:
    """Returns every page that is generated, or has a generated part, with its text."""
    tables = ["\n".join(_table(name)) for name in STREAMS]
    lists = {}
    for path, head in LISTS.items():
        before, _, rest = path.read_text(encoding="utf-8").partition("<!-- streams -->\n")
        after = rest.partition("<!-- /streams -->")[2]
        lists[path] = f"{before}<!-- streams -->\n{_streams(head)}<!-- /streams -->{after}"
    return {DICTIONARY: "\n".join([HEAD, *tables]), **lists}


def _streams(head: str) -> str:
    lines = [head, "| --- | --- | --- | --- |"]
    for table in STREAMS.values():
        key = ", ".join(f"`{column}`" for column in table.primary_key)
        cursor = f"`{table.cursor_field}`" if table.cursor_field else "–"
        title = f"[`{table.name}`](data-dictionary.md#{table.name})"
        lines.append(f"| {title} | {schema.russian(table.name)} | {key} | {cursor} |")
    return "\n".join(lines) + "\n"


def _table(table: str) -> Iterator[str]:
    stream, refers = STREAMS[table], references(table)
    yield f"## {table}\n\n{schema.russian(table)}\n"
    yield "| column | type | description | описание |"
    yield "| --- | --- | --- | --- |"
    for column in schema.columns(table):
        title = f"`{column.name}`"
        if column.name in stream.primary_key:
            title = f"**{title}**"
        if column.name == stream.cursor_field:
            title = f"*{title}*"
        if column.name in refers:
            title += f" → {', '.join(f'[{one}](#{one})' for one in tables_of(refers[column.name]))}"
        described = _cell(column.schema["description"])
        if column.personal:
            described += f" *Personal: {schema.PERSONAL[column.personal]}.*"
        yield f"| {title} | {_type(column.schema)} | {described} | {_cell(column.russian)} |"
    yield ""


def _type(declared: Mapping[str, Any]) -> str:
    types = declared["type"] if isinstance(declared["type"], list) else [declared["type"]]
    [kind, *others] = [item for item in types if item != "null"]
    if declared.get("format") == "date-time":
        return "timestamp"
    if kind == "array" and declared.get("items", {}).get("type") in ("integer", "string"):
        return f"{_type(declared['items'])}[]"
    if others or kind in ("array", "object"):
        return "json"
    return TYPES.get(str(kind), str(kind))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
