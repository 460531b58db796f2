"""A database with a few marts and tables, written by hand: every type, and values that a warehouse could spoil."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any, cast

import duckdb
import psycopg

MOSCOW = datetime(2026, 2, 28, 21, 0, 0, 123456)
DEALS: list[tuple[Any, ...]] = [
    (1, "Плитка «Мир» 🏠", Decimal("1234567890123456789012345678901234.56"), True, date(2026, 2, 28), MOSCOW,
     ["а", 'б "в"'], 0.1, None),
    (2, "", Decimal("0.00"), False, date(1, 1, 1), datetime(2026, 1, 1), [], -1e300, ""),
    (3, 'two\nlines, "quoted"\\N \\. \t', None, None, None, None, None, None, "NULL"),
]  # fmt: skip
"""Rows of the mart `deals` of an account: deal_id, name, budget, is_deleted, day, seen_at, labels, chance, note."""
DDL = {
    "deals": "project_id varchar, deal_id bigint, name varchar, budget decimal(38,2), is_deleted boolean, "
    "day date, seen_at timestamp, labels varchar[], chance double precision, note varchar",
    "funnel": "project_id varchar, status_id bigint, reached integer",
    "freshness": "project_id varchar, built_at timestamp",
}
COMMENTS = {"deal_id": "Id of the deal. · ID сделки.", "name": "Name. · Название."}
"""Of columns of `deals`, as models write them."""
RAW = [(7, '{"a": [1, "ж"]}', datetime(2026, 2, 28, 21, 0, tzinfo=timezone.utc))]


def build(
    database: str,
    projects: Iterable[str],
    *,
    deals: list[tuple[Any, ...]] = DEALS,
    extra: str = "",
    stages: int = 1,
) -> None:
    """Builds the marts `deals`, `funnel` and `freshness` anew, and the connector's table `users` of each project.

    `extra`: columns of `deals` beside its own, as in ", cf_1_size decimal(38,9)". `stages`: rows of `funnel` a project.
    """
    is_server = database.startswith("postgresql:")
    opened: Any = psycopg.connect(database) if is_server else duckdb.connect(database)
    mark = "%s" if is_server else "?"
    with closing(opened) as connection:
        connection.execute("BEGIN")
        for schema in ("amocrm", "amocrm_staging", "amocrm_marts"):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for name, columns in DDL.items():
            connection.execute(f"DROP TABLE IF EXISTS amocrm_marts.{name}")
            connection.execute(f"CREATE TABLE amocrm_marts.{name} ({columns}{extra if name == 'deals' else ''})")
        for column, comment in COMMENTS.items():
            connection.execute(f"COMMENT ON COLUMN amocrm_marts.deals.{column} IS '{comment}'")
        for name in ("int_tables", "int_accounts"):
            connection.execute(f"DROP TABLE IF EXISTS amocrm_staging.{name}")
        connection.execute("CREATE TABLE amocrm_staging.int_accounts (project_id varchar)")
        connection.execute(
            "CREATE TABLE amocrm_staging.int_tables (table_name varchar, table_schema varchar, relation_name varchar)"
        )
        for name in DDL:
            connection.execute(f"INSERT INTO amocrm_staging.int_tables VALUES ('{name}', 'amocrm_marts', '{name}')")
        marks = ", ".join([mark] * 10)
        listed = "project_id, deal_id, name, budget, is_deleted, day, seen_at, labels, chance, note"
        for project in projects:
            for row in deals:
                connection.execute(f"INSERT INTO amocrm_marts.deals ({listed}) VALUES ({marks})", [project, *row])
            connection.execute(
                f"INSERT INTO amocrm_marts.funnel SELECT '{project}', 141 + number, {len(deals)} "
                f"FROM generate_series(1, {stages}) AS numbers (number)"
            )
            connection.execute(f"INSERT INTO amocrm_marts.freshness VALUES ('{project}', TIMESTAMP '2026-03-01')")
            connection.execute(f"INSERT INTO amocrm_staging.int_accounts VALUES ('{project}')")
            users = f'amocrm."amocrm_{project}_users"'
            connection.execute(f"DROP TABLE IF EXISTS {users}")
            connection.execute(f"CREATE TABLE {users} (user_id bigint, rights json, _airbyte_extracted_at timestamptz)")
            for user in RAW:
                connection.execute(cast(Any, f"INSERT INTO {users} VALUES ({mark}, {mark}, {mark})"), list(user))
        connection.execute("COMMIT")
