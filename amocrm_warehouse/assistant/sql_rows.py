"""The rows of the tool `sql`: those of one SELECT, or the tables that it may read."""

from __future__ import annotations

from amocrm_warehouse.assistant.asking import Asking, Row
from amocrm_warehouse.dbt_package import PACKAGE
from amocrm_warehouse.known_names import nearest
from amocrm_warehouse.report.page_queries import needs
from amocrm_warehouse.report.report_words import Words


def selected(ask: Asking) -> list[Row]:
    """Returns the rows of the SELECT. Raises Missing if it reads a model that the last build did not make."""
    if "select" not in ask.values:
        return schema(ask)
    named = needs(ask.values["select"].casefold().replace('"', ""))
    ask.check(named & {path.stem.replace("amocrm__", "") for path in PACKAGE.rglob("*.sql")})
    return ask.free_select(ask.values["select"], ask.limit)


SCHEMA = """
    select table_schema, table_name, column_name, data_type
    from information_schema.columns
    where table_schema like '%marts' or table_schema like '%staging'
    order by 1, 2, ordinal_position
"""


def schema(ask: Asking) -> list[Row]:
    """Returns the tables with their columns, the marts first; or the columns of one. Raises ValueError."""
    words = Words("en")
    tables: dict[str, list[tuple[str, str]]] = {}
    for of, table, column, kind in ask.run(SCHEMA)[1]:
        tables.setdefault(f"amocrm_{'marts' if of.endswith('marts') else 'staging'}.{table}", []).append((column, kind))
    wanted = ask.values.get("table")
    if not wanted:
        return [{"table": name, "columns": ", ".join(name for name, _ in of)} for name, of in tables.items()]
    own = next((of for name, of in tables.items() if wanted.casefold() in (name, name.partition(".")[2])), None)
    if own is None:
        close = nearest(wanted, [name.partition(".")[2] for name in tables])
        raise ValueError(f"There is no table {wanted}.{close} schema without a table lists them.")
    return [{"column": column, "type": kind, "means": words.of_column(column)} for column, kind in own]
