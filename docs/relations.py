"""`make docs`: writes docs/relations.md and its pictures, and the file of relations that Airbyte's own tool draws.

The source is the references that the schemas declare.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docs.picture import Line, Table, svg
from docs.references import Reference, references, tables_of
from source_amocrm.streams import STREAMS

HOME = Path(__file__).resolve().parent
PAGE = HOME / "relations.md"
IMAGES = HOME / "images"
CONFIRMED = HOME.parent / "erd" / "confirmed_relationships.json"
"""The file from which `erd` of airbyte-ci reads the relations. Without it, `erd` guesses them from the catalog."""
HEAD = """\
# Relations · Связи таблиц

Which table the columns of each table refer to. `make docs` writes this page and its pictures from the schemas
(`source_amocrm/schemas`); do not edit it by hand. A box has the table's key, in bold, and the columns that refer to
other tables: by a line if the other table is beside it, else by that table's name. A dashed head is a table that
another picture shows whole. The pictures leave out `account_id`, which most tables have. Every column:
[data dictionary](data-dictionary.md).

The row that a column refers to may be absent. amoCRM lists no removed users, stages and fields, and no card that was
merged into another or that waits in «Неразобранное». It lists only the sources of the token's own integration, it
lists no groups of the fields of segments, and not every account lists its talks.

На какую таблицу ссылаются столбцы каждой таблицы. В рамке — ключ таблицы, жирным, и столбцы, которые ссылаются на
другие таблицы: линией, если та таблица рядом, иначе по её имени. Пунктир в заголовке — таблица, которую целиком
показывает другая картинка. `account_id` есть почти везде, и на картинках его нет. Все столбцы — в
[словаре данных](data-dictionary.md).

Строки, на которую ссылается столбец, может не быть. В списках amoCRM нет удалённых пользователей, этапов и полей, нет
карточек, которые объединили с другими или которые ждут в «Неразобранном». Источники amoCRM показывает только той
интеграции, которой они принадлежат, группы полей сегментов — никому, а беседы — не каждому аккаунту.
"""
EVERYWHERE = "account_id"


@dataclass(frozen=True)
class Area:
    """A picture. `columns`: its tables from left to right. The first area that names a table shows it whole."""

    name: str
    english: str
    russian: str
    columns: tuple[tuple[str, ...], ...]


_CHANGES = ("responsible", "field")
CARDS = ("contacts", "deals", "companies", "customers")
_AREAS = (
    Area(
        "sales",
        "Deals, contacts and companies",
        "Сделки, контакты и компании",
        (
            ("statuses", "pipelines", "loss_reasons", "sources"),
            ("deals", "unsorted"),
            ("deal_contacts", "deal_companies"),
            ("contacts", "companies"),
            ("contact_companies",),
        ),
    ),
    Area(
        "customers",
        "Customers",
        "Покупатели",
        (
            ("customer_statuses", "customer_segments", "customer_transactions"),
            ("customers",),
            ("customer_contacts",),
            ("contacts",),
        ),
    ),
    Area(
        "catalogs",
        "Catalogs",
        "Списки",
        (("deals",), ("deal_catalog_elements",), ("catalog_elements", "catalogs")),
    ),
    Area(
        "fields",
        "Custom fields and tags",
        "Дополнительные поля и теги",
        (
            ("tags",),
            ("deal_tags", "contact_tags", "company_tags", "customer_tags"),
            ("deals", "contacts", "companies", "customers", "catalog_elements"),
            (
                "custom_fields_deals",
                "custom_fields_contacts",
                "custom_fields_companies",
                "custom_fields_customers",
                "custom_fields_catalog_elements",
            ),
            ("custom_fields", "custom_field_groups", "catalogs"),
        ),
    ),
    Area(
        "activity",
        "Tasks, notes, calls and messages",
        "Задачи, примечания, звонки и сообщения",
        (
            ("task_types", "element_types", "note_types"),
            ("tasks", "notes", "calls", "messages"),
            (*CARDS, "talks"),
        ),
    ),
    Area(
        "history",
        "Events and the history of deals",
        "События и история сделок",
        (
            ("event_types",),
            ("events",),
            (
                "deal_statuses",
                "deal_responsible_changes",
                "deal_sale_changes",
                "deal_field_changes",
                "deleted_entities",
                "live_entities",
            ),
            ("statuses", "pipelines", "loss_reasons", "deals", "custom_fields"),
        ),
    ),
    Area(
        "histories",
        "The history of contacts, companies and customers",
        "История контактов, компаний и покупателей",
        (
            ("events",),
            tuple(f"{card}_{what}_changes" for card in ("contact", "company", "customer") for what in _CHANGES),
            ("contacts", "companies", "customers", "custom_fields", "users"),
        ),
    ),
    Area(
        "settings",
        "Users and settings",
        "Пользователи и настройки",
        (("roles", "groups"), ("users",), ("account", "webhooks", "files")),
    ),
)


def _with_the_rest() -> Iterator[Area]:
    """Yields the areas, with the tables that no area names in the last column of the last area."""
    named = {name for area in _AREAS for column in area.columns for name in column}
    rest = tuple(name for name in STREAMS if name not in named)
    *others, last = _AREAS
    *before, end = last.columns
    yield from (*others, replace(last, columns=(*before, (*end, *rest))))


AREAS = tuple(_with_the_rest())


def pages() -> dict[Path, str]:
    """Returns the page, every picture and Airbyte's file, with their texts."""
    pictures = {_picture(area): svg(list(columns(area)), area.english) for area in AREAS}
    page = "\n".join([HEAD, *(part for area in AREAS for part in _section(area))])
    return {PAGE: page, **pictures, CONFIRMED: json.dumps(_confirmed(), indent=2) + "\n"}


def _confirmed() -> dict[str, list[dict[str, Any]]]:
    """Lists the references to one table. Airbyte's format has no column that refers to one of several."""
    streams = []
    for name in STREAMS:
        single = {column: one.table for column, one in references(name).items() if isinstance(one, Reference)}
        relations = {column: f"{table}.{STREAMS[table].primary_key[-1]}" for column, table in single.items()}
        streams.append({"name": name, "relations": relations})
    return {"streams": [stream for stream in streams if stream["relations"]]}


def _picture(area: Area) -> Path:
    return IMAGES / f"relations-{area.name}.svg"


def _section(area: Area) -> Iterator[str]:
    names = [name for column in area.columns for name in column]
    links = ", ".join(f"[{name}](data-dictionary.md#{name})" for name in names)
    yield f"## {area.english} · {area.russian}\n"
    yield f"![{area.english}](images/{_picture(area).name})\n"
    yield f"{links}\n"


def columns(area: Area) -> Iterator[list[Table]]:
    """Yields the columns of the area's picture, from left to right."""
    homes = {name: each for each in reversed(AREAS) for column in each.columns for name in column}
    for column in area.columns:
        yield [_table(name, homes[name] is not area) for name in column]


def _table(name: str, is_guest: bool) -> Table:
    if is_guest:
        return Table(name, tuple(Line(column, is_key=True) for column in STREAMS[name].primary_key), is_guest)
    return Table(name, tuple(_lines(name)))


def _lines(name: str) -> Iterator[Line]:
    """Yields one line for each column of the key, then one for each group of columns that refer to the same tables."""
    targets = {column: tuple(tables_of(reference)) for column, reference in references(name).items()}
    for column in STREAMS[name].primary_key:
        yield Line(column, targets.pop(column, ()), is_key=True)
    targets.pop(EVERYWHERE, None)
    for group in dict.fromkeys(targets.values()):
        yield Line(", ".join(column for column, tables in targets.items() if tables == group), group)


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
