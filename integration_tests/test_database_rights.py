"""Who may do what in PostgreSQL: the lines of docs/security.md, each run by whom the page says, and what users with
fewer rights than a command needs are told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from testing import forked, postgres, small_marts
from testing.publishing import refused
from testing.warehouse import ROOT

RUNS = {"-- a superuser": "creator", "-- the owner of the database": "keeper", "-- the user who": "etl"}
"""The user of the tests who has exactly the rights that a line of docs/security.md asks for, by its first words."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server whose database `crm` belongs to `keeper`, and in which `etl` has built marts."""
    with postgres.server() as url:
        execute(url, "CREATE ROLE creator LOGIN CREATEROLE; CREATE ROLE keeper LOGIN; CREATE ROLE etl LOGIN")
        execute(url, "CREATE DATABASE crm OWNER keeper")
        crm = url.removesuffix("postgres") + "crm"
        execute(crm, "GRANT CREATE ON DATABASE crm TO etl; REVOKE CONNECT ON DATABASE crm FROM public")
        execute(crm, "GRANT CONNECT ON DATABASE crm TO creator, etl")
        small_marts.build(as_user(crm, "etl"), ["1001"])
        yield crm


def execute(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in filter(None, map(str.strip, sql.split(";"))):
            connection.execute(cast(Any, statement))


def as_user(url: str, user: str) -> str:
    return url.replace("postgres@", f"{user}@")


@pytest.mark.parametrize("page", ["security.md", "security.ru.md"])
def test_each_line_of_the_page_is_run_by_whom_it_names(server: str, page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    [block] = re.findall(r"```sql\n(-- [^`]*CREATE ROLE bi [^`]*)```", text)
    parts = re.findall(r"(-- .*)\n((?:(?!-- ).+\n)+)", block)
    assert [title.startswith(tuple(RUNS)) for title, _ in parts] == [True] * 3, parts
    for title, lines in parts:
        [user] = [user for words, user in RUNS.items() if title.startswith(words)]
        for other in {"etl", "creator"} - {user}:
            if "CREATE ROLE" in lines or "SCHEMA" in lines:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    execute(as_user(server, other), lines)
        execute(as_user(server, user), lines)
    try:
        small_marts.build(as_user(server, "etl"), ["1001"])  # the tables are new ones
        execute(as_user(server, "bi"), "SELECT * FROM amocrm_marts.deals; SELECT * FROM amocrm_marts.freshness")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            execute(as_user(server, "bi"), "SELECT * FROM amocrm_staging.int_accounts")
    finally:
        execute(server, "DROP OWNED BY bi; REVOKE CONNECT ON DATABASE crm FROM bi; DROP ROLE bi")


def test_who_may_not_read_the_marts_is_told_the_right_to_grant(server: str, tmp_path: Path) -> None:
    """One right after another is granted as the commands say, until they do their work."""
    execute(server, "CREATE ROLE reader LOGIN; GRANT CONNECT ON DATABASE crm TO reader")
    address, lake = as_user(server, "reader"), f"file://{tmp_path / 'lake'}"
    commands = {
        "publish": ["publish", "--quiet", "--from", address, "--to", lake],
        "publish tables": ["publish", "--quiet", "--from", address, "--to", lake, "--only", "tables"],
    }
    said: dict[str, list[str]] = {}
    for name, command in commands.items():
        said[name] = []
        for _ in range(5):
            done = forked.run(command, {})
            if not (missing := re.search(r"Let the owner of the database run (GRANT .*); and run again", done.stderr)):
                break
            assert (done.returncode, done.stdout) == (2, "")
            said[name] += re.findall(r"SELECT ON ALL TABLES IN SCHEMA (\w+)", missing[1])
            execute(as_user(server, "etl"), missing[1])
        assert "permission denied" not in done.stderr
        execute(server, "DROP OWNED BY reader; GRANT CONNECT ON DATABASE crm TO reader")
    assert said == {"publish": ["amocrm_marts", "amocrm_staging"], "publish tables": ["amocrm"]}
    assert refused(address, lake).startswith("This PostgreSQL user may not read the tables. ")
    execute(as_user(server, "etl"), "GRANT USAGE ON SCHEMA amocrm_marts, amocrm_staging TO reader")
    execute(as_user(server, "etl"), "GRANT SELECT ON ALL TABLES IN SCHEMA amocrm_marts, amocrm_staging TO reader")
    execute(as_user(server, "etl"), "REVOKE SELECT ON amocrm_marts.deals FROM reader")
    assert "GRANT SELECT ON ALL TABLES IN SCHEMA amocrm_marts TO reader" in refused(address, lake)


def test_who_may_not_replace_the_tables_of_a_build_is_told_whose_they_are(server: str) -> None:
    execute(server, "CREATE ROLE second LOGIN; GRANT CONNECT ON DATABASE crm TO second")
    execute(as_user(server, "etl"), "GRANT USAGE ON SCHEMA amocrm TO second; CREATE TABLE amocrm.amocrm_1001_deals ()")
    execute(as_user(server, "etl"), "GRANT SELECT ON ALL TABLES IN SCHEMA amocrm TO second")
    execute(as_user(server, "etl"), "GRANT USAGE, CREATE ON SCHEMA amocrm_marts, amocrm_staging TO second")
    done = forked.run(["models", "--quiet", "--to", as_user(server, "second")], {})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "The tables of the last build belong to etl, and PostgreSQL lets only an owner replace a table. Name this "
        "user in --to, or let the server's administrator make the present one a member: GRANT etl TO ….\n"
    )
