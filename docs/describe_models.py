"""`make docs`: writes docs/models.md, dbt's descriptions (schema.yml, sources.yml) and macros (connector.sql)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from amocrm_warehouse.report.metrics import METRICS, ROWS, total
from source_amocrm.streams import custom_field_columns, custom_fields, schema
from source_amocrm.streams.events import LOST, WON
from source_amocrm.streams.personal_data import RUSSIAN_PHONE

HOME = Path(__file__).resolve().parents[1] / "amocrm_warehouse" / "dbt"
SCHEMA = HOME / "models" / "schema.yml"
SOURCES = HOME / "models" / "sources.yml"
SCHEMAS = HOME.parents[1] / "source_amocrm" / "schemas"
CONNECTOR = HOME / "macros" / "connector.sql"
PAGE = Path(__file__).resolve().parent / "models.md"
LAYERS = ("marts", "intermediate", "staging")
"""The folders of models. The page shows the first; `dbt docs generate` shows all."""
WITHOUT_BY = "{{ var('by', none) is none }}"
"""When a mart with `by: true` has a contract: the var adds a column that dbt must not meet in it otherwise."""
HEAD = """\
# Models · Модели

What `source-amocrm models` builds from the tables, column by column. `make docs` writes this page from `models.yaml`
and `columns.yaml` in `amocrm_warehouse/dbt/`; do not edit it by hand. **Bold** columns are the key. Times are UTC;
those in `…_local` are by the account's clock. Questions to the marts, with answers: [questions.md](questions.md);
columns of custom fields, and the models in a dbt project of your own, whose `dbt docs generate` also describes the
staging and intermediate models: [dbt-package.md](dbt-package.md).

Что `source-amocrm models` строит из таблиц, столбец за столбцом. **Жирным** выделен ключ. Время — в UTC, в столбцах
`…_local` — по часам аккаунта. Вопросы к витринам и ответы: [questions.ru.md](questions.ru.md); столбцы
дополнительных полей и модели в собственном проекте dbt, где `dbt docs generate` описывает и исходные с
промежуточными: [dbt-package.ru.md](dbt-package.ru.md).
"""

METRICS_HEAD = """\
# Metrics · Метрики

`amocrm_warehouse/dbt/metrics.yaml` defines each metric once. The report, its workbook and digest, and
`source-amocrm mcp` count by it. A metric without a day is as of now.

**Amounts of different currencies are never added up.** A sum of money is of one currency, and a column names it: each
mart with an amount has the column `currency`, and whoever sums several accounts groups by it. The key `money` of
`metrics.yaml` lists the columns that are amounts.

Каждый показатель определён один раз, в `amocrm_warehouse/dbt/metrics.yaml`. По этому определению считают отчёт, его
книга Excel и сводка и `source-amocrm mcp`. Показатель без дня — на сейчас.

**Суммы в разных валютах не складываются.** У каждой суммы одна валюта, и её называет столбец: в любой витрине с
деньгами есть `currency`, и кто складывает по нескольким аккаунтам, группирует по нему. Какие столбцы — деньги,
перечисляет ключ `money` в `metrics.yaml`.
"""


def node(table: str) -> str:
    """Returns the name of a table's model, prefixed so that it is unique in the user's dbt project."""
    layer = re.match("stg_|int_|", table)
    return f"{layer[0]}amocrm__{table[layer.end() :]}" if layer else table


def models() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load((HOME / "models.yaml").read_text(encoding="utf-8")))


class Column(NamedTuple):
    english: str
    russian: str
    type: str

    @property
    def description(self) -> str:
        return f"{self.english} · {self.russian}"


BY = Column(
    "Only with `by`: the value of that field, an option by its label, several of them in one text.",
    "Только с `by`: значение этого поля; вариант списка — названием, несколько — одним текстом.",
    "text",
)
"""The column by_value, which models with `by: true` have."""
FIELDS = Column(
    "And a column for each custom field: `cf_<id>_<name>`; own_fields tells which is which.",
    "И по столбцу на дополнительное поле: `cf_<id>_<название>`; какой чей, говорит own_fields.",
    "by the field",
)
"""The columns of custom fields, which models with `fields` have."""


def columns() -> dict[str, Column]:
    """Returns each column's description and type, by the column's name."""
    texts = yaml.safe_load((HOME / "columns.yaml").read_text(encoding="utf-8"))
    return {name: Column(*text.split(" | ")) for name, text in texts.items()}


def described(model: Mapping[str, Any], every: Mapping[str, Column]) -> dict[str, Column]:
    """Returns a model's columns; `here` in the model has the descriptions that are special to it."""
    here = {name: Column(*_languages(text), every[name].type) for name, text in model.get("here", {}).items()}
    return {name: here.get(name) or every[name] for name in model["columns"]}


def _languages(text: str) -> tuple[str, str]:
    english, russian = text.split(" | ")
    return english, russian


def pages() -> dict[Path, str]:
    return {
        SCHEMA: _schema(models(), columns()),
        SOURCES: _sources(),
        CONNECTOR: _connector(),
        PAGE: "\n".join([HEAD, *_metrics(), *_other_names(), *_page(models(), columns())]),
    }


def _schema(models: Mapping[str, dict[str, Any]], every: Mapping[str, Column]) -> str:
    resources: dict[str, list[Any]] = {"models": [], "seeds": []}
    for name, model in models.items():
        key, tests = model.get("key"), model.get("tests", {})
        entry: dict[str, Any] = {"name": node(name), "description": f"{model['en']} · {model['ru']}"}
        entry["config"] = {"alias": name}
        if key:
            entry["config"]["meta"] = {name: model[name] for name in ("key", "nullable", "by") if name in model}
        is_mart = layer(name) == "marts"
        if is_mart and "fields" not in model:
            entry["config"]["contract"] = {"enforced": WITHOUT_BY if "by" in model else True}
        entry["columns"] = [
            {"name": name, "description": column.description}
            | ({"data_type": column.type} if is_mart else {})
            | ({"data_tests": [_test(tests[name])]} if name in tests else {})
            for name, column in described(model, every).items()
        ]
        if "time_spine" in model:
            entry["time_spine"] = {"standard_granularity_column": model["time_spine"]}
            entry["columns"][model["columns"].index(model["time_spine"])]["granularity"] = "day"
        resources["models" if layer(name) else "seeds"].append(entry)
    note = "# Written by `make docs` from models.yaml and columns.yaml; do not edit it by hand.\n"
    return note + yaml.safe_dump({"version": 2, **resources}, allow_unicode=True, sort_keys=False, width=120)


def _sources() -> str:
    """The connector's tables that the models read. dbt's sources name those of the first project only."""
    lists = (HOME / "macros" / "tables.sql").read_text(encoding="utf-8")
    used = re.findall(r'"(\w+)"', lists.split("{% macro ")[1])
    prefix = (
        "{{ var('table_prefix', 'amocrm_{project}_') | replace('{project}', var('projects')[0] | string | lower) }}"
    )
    source = {
        "name": "amocrm",
        "description": "Tables of source-amocrm.",
        "database": "{{ var('raw_database', none) or target.database }}",
        "schema": "{{ var('raw_schema', none) or 'amocrm' }}",
        "config": {
            "freshness": {"warn_after": {"count": 36, "period": "hour"}},
            "loaded_at_query": "{{ amocrm.loaded_at() }}",
        },
        "tables": [
            {"name": name, "description": schema.russian(name), "identifier": f"{prefix}{name}"} for name in used
        ],
    }
    note = "# Written by `make docs` from macros/tables.sql; do not edit it by hand.\n"
    return note + yaml.safe_dump({"version": 2, "sources": [source]}, allow_unicode=True, sort_keys=False, width=160)


KINDS = {"number": "number", "boolean": "boolean", "date": "date", "date-time": "time", "array": "list"}
"""The marts' kind of a column, by the format or else the type of its JSON schema. Any other column is a text."""


def _connector() -> str:
    """Returns the macros with the facts about amoCRM whose home is the connector."""
    types: dict[str, list[str]] = {kind: [] for kind in KINDS.values()}
    for name in sorted(custom_fields.FIELD_TYPES):
        made = custom_field_columns.column({"id": 1, "type": name})
        shape = made and (made.schema.get("format") or made.schema["type"][1])
        if shape in KINDS:
            types[KINDS[shape]].append(name)
    cases = "\n".join(
        f"        when {{{{ type }}}} in ({str(names)[1:-1]}) then '{kind}'" for kind, names in types.items()
    )
    return f"""\
{{# Written by `make docs` from the connector, whose facts these are; do not edit it by hand. #}}

{{# The stages of won and of lost deals in every pipeline. #}}
{{% macro won_status() %}}{WON}{{% endmacro %}}
{{% macro lost_status() %}}{LOST}{{% endmacro %}}

{{# number, boolean, date, time, text or list, by the type of the field; an unknown type is a text. #}}
{{% macro kind_of_field(type) %}}
    case
{cases}
        else 'text'
    end
{{%- endmacro %}}

{{# The digits of a phone, the same however it is typed: +7 and 8 are one country code in Russia and Kazakhstan. #}}
{{% macro same_phone(text) %}}
    regexp_replace({{{{ digits(text) }}}}, '^{RUSSIAN_PHONE.pattern}$', '7\\1')
{{%- endmacro %}}
"""


def _test(declared: list[str] | str) -> dict[str, Any]:
    """`declared`: a list of the column's accepted values, or the name of the model that it refers to."""
    if isinstance(declared, list):
        return {"accepted_values": {"arguments": {"values": declared}}}
    return {"amocrm_refers": {"arguments": {"to": f"ref('{node(declared)}')"}}}


def layer(name: str) -> str | None:
    """Returns the folder of a model, or None if the name is a seed, a file of the user's."""
    return next((folder for folder in LAYERS if (HOME / "models" / folder / f"{node(name)}.sql").exists()), None)


def _metrics() -> Iterator[str]:
    yield METRICS_HEAD
    yield "| metric | definition | определение | of | day | SQL |\n| --- | --- | --- | --- | --- | --- |"
    for name, metric in METRICS.items():
        texts = zip(_languages(metric.name), _languages(metric.means), strict=True)
        english, russian = (
            f"{title}. {means}".replace("{stale_days}", "14").replace("{dead_days}", "90") for title, means in texts
        )
        russian = russian.replace("..", ".")  # of a name that ends with an abbreviation
        yield f"| **`{name}`** | {english} | {russian} | {metric.of} | {metric.day or ''} | `{total(name)}` |"
    yield ""
    for mart, counts in ROWS.items():
        yield "- " + "; ".join([mart, *(f"{name}: `{sql}`" for name, sql in counts.items())])
    yield ""


NAMES_HEAD = """\
# Names that differ · Названия, которые различаются

Columns of the tables that have another name in the marts. `element_type` and `element_id` of the tables are
`entity_type`, a word, and `entity_id`.

Столбцы таблиц, которые в витринах называются иначе. `element_type` и `element_id` таблиц — это `entity_type`, слово, и
`entity_id`.

| column of the table · столбец таблицы | in the marts · в витринах | tables · таблицы |
| --- | --- | --- |"""


def _other_names() -> Iterator[str]:
    """Yields the columns that the staging models rename."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in sorted((HOME / "models" / "staging").glob("*.sql")):
        table = path.stem.removeprefix("stg_amocrm__")
        file = SCHEMAS / f"{table}.json"
        own = json.loads(file.read_text(encoding="utf-8"))["properties"] if file.exists() else {}
        for renamed in re.findall(r"^ +(?:source\.)?(\w+) as (\w+),?$", path.read_text(encoding="utf-8"), re.MULTILINE):
            if renamed[0] in own:
                found.setdefault(renamed, []).append(f"`{table}`")
    yield NAMES_HEAD
    for (column, name), tables in sorted(found.items()):
        yield f"| `{column}` | `{name}` | {', '.join(tables)} |"
    yield ""


def _page(models: Mapping[str, dict[str, Any]], every: Mapping[str, Column]) -> Iterator[str]:
    yield "# Marts · Витрины\n"
    for name, model in models.items():
        if layer(name) != "marts":
            continue
        yield f"## {name}\n\n{model['en']}\n\n{model['ru']}\n"
        yield "| column | type | description | описание |\n| --- | --- | --- | --- |"
        extra = ({"by_value": BY} if "by" in model else {}) | ({"cf_…": FIELDS} if "fields" in model else {})
        for column, (english, russian, kind) in (described(model, every) | extra).items():
            title = f"**`{column}`**" if column in model.get("key", ()) else f"`{column}`"
            yield f"| {title} | {kind} | {english} | {russian} |"
        yield ""


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
