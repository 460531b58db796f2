"""The SELECT of an assistant: what it may call, whose rights it may have, and what it may take."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator

import duckdb
import psycopg
import pytest

from amocrm_warehouse.assistant import bounded_select
from amocrm_warehouse.assistant.statement_guard import _POWERS, FUNCTIONS, RefusedStatement, checked, rows_of
from amocrm_warehouse.database import DATABASE_ERRORS, reading
from testing import postgres
from testing.guides import ROOT

SALES = """
    CREATE TABLE public.sales AS
    SELECT id, id * 10 AS budget, 'deal ' || id AS name FROM generate_series(1, 300) AS numbers(id)
"""
MARTS = """
    CREATE SCHEMA amocrm_marts; CREATE SCHEMA amocrm_staging;
    CREATE TABLE amocrm_marts.deals AS SELECT id AS deal_id FROM public.sales
"""
ROLES = """
    CREATE ROLE reader LOGIN; CREATE ROLE member LOGIN; CREATE ROLE signals LOGIN; CREATE ROLE beyond LOGIN NOINHERIT;
    CREATE ROLE files; CREATE ROLE boss SUPERUSER; CREATE ROLE between_them NOINHERIT;
    GRANT pg_read_server_files TO files; GRANT files TO member;
    GRANT pg_signal_backend TO signals;
    GRANT boss TO between_them; GRANT between_them TO beyond;
    CREATE FUNCTION public.lower(int) RETURNS int VOLATILE LANGUAGE sql AS 'SELECT pg_backend_pid()';
    GRANT SELECT ON public.sales TO PUBLIC;
"""
GOOD = {
    "select count(*) as n, sum(budget)::bigint as s from public.sales -- all of 'them; (": [(300, 451500)],
    "select name from public.sales where name in ('deal 7', 'it''s; --') order by id;": [("deal 7",)],
    'with s("an id", b) as (select id, cast(budget as numeric(10, 2)) from public.sales) select max(b) from s where '
    '"an id" <= 2': [(20,)],
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9) select count(i) filter (where i >= 5) "
    "from n": [(5,)],
    "select extract(year from date_trunc('month', date '2026-03-31'))::int as y, left(upper('ab'), 1) as u": [
        (2026, "A")
    ],
    "select percentile_cont(0.5) within group (order by id) as p from public.sales": [(150.5,)],
    "select row_number() over (partition by id % 2 order by count(*)) as r from public.sales group by id having "
    "(id, 1) in (select 7, 1)": [(1,)],
    "select v.x from (values (1), (2)) as v(x) where not (v.x between 2 and 3) and exists (select 1)": [(1,)],
}
BAD = {
    "select set_config('role', 'boss', true)": "The function set_config is not offered here.",
    "select \"set_config\"('role', 'boss', true)": "The function set_config is not offered here.",
    "select 1 -- \r, set_config('role', 'boss', true)": "The function set_config is not offered here.",
    "select U&\"set\\005fconfig\"('role', 'boss', true)": "“&” is not taken",
    "select e'\\', set_config(''role'', ''boss'', true) --'": "“e'” is not taken.",
    "select $$'$$, set_config('role', 'boss', true), '": "“$” is not taken",
    "select /* ' */ set_config('role', 'boss', true) /* ' */": "“/*” is not taken.",
    "select pg_catalog.lower('x')": "pg_catalog is PostgreSQL's own.",
    "select public.lower(1)": "The function lower of a schema is not offered here.",
    "select pg_terminate_backend(pid) from pg_stat_activity": "pg_terminate_backend is PostgreSQL's own.",
    "select pg_advisory_lock(1)": "pg_advisory_lock is PostgreSQL's own.",
    "select query_to_xml('select 1', true, true, '')": "The function query_to_xml is not offered here.",
    "select * from dblink('dbname=crm', 'delete from deals') as t(x int)": "The function dblink is not offered here.",
    "select lo_create(7)": "The function lo_create is not offered here.",
    "select repeat('x', 1000000000)": "The function repeat is not offered here.",
    "select string_agg(name, '') from public.sales": "The function string_agg is not offered here.",
    "select * from generate_series(1, 1000000000)": "The function generate_series is not offered here.",
    "select list(id) from public.sales": "The function list is not offered here.",
    "select name || name from public.sales": "“|” is not taken: texts are not joined here, because each joining can "
    "double them. Select each text as a column.",
    "select [name, name] from public.sales": "“[” is not taken",
    "select sales::text from public.sales": "No value is cast to text here",
    "select cast(sales as varchar) from public.sales": "No value is cast to varchar here",
    "select sales::information_schema.character_data from public.sales": "No value is cast to information_schema here",
    "select 'x'.upper()": "The function upper of a schema is not offered here.",
    "select 1) as selected, (select 2": "A parenthesis is closed that was not opened.",
    "select (1": "A parenthesis is not closed.",
    "select 'x": "“'” is not taken",
    "select 1; select 2": "One SELECT is taken, without a semicolon in it.",
    "-- select\ndelete from sales": "One SELECT is taken, without a semicolon in it.",
    " ; ": "One SELECT is taken, without a semicolon in it.",
    "select 1 " + "+ 1" * 3000: "The statement is longer than 8,000 characters.",
}


@pytest.fixture(scope="module", params=["duckdb", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with the table public.sales; of PostgreSQL, as its user `reader`."""
    if request.param == "duckdb":
        file = tmp_path_factory.mktemp("guard") / "crm.duckdb"
        with duckdb.connect(str(file)) as connection:
            connection.execute("CREATE SCHEMA public")
            connection.execute(SALES)
        yield f"duckdb:///{file}"
        return
    with postgres.server() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in [SALES, *ROLES.split(";\n")]:
                connection.execute(statement)
        yield url.replace("postgres@", "reader@")


@pytest.mark.parametrize("select", GOOD)
def test_an_ordinary_select_is_answered_by_both_databases(database: str, select: str) -> None:
    assert rows_of(database, select, 500, 20)[1] == GOOD[select]


@pytest.mark.parametrize("select", BAD)
def test_a_statement_that_could_act_or_swell_is_refused_by_name(select: str) -> None:
    with pytest.raises(RefusedStatement) as error:
        checked(select)
    assert str(error.value).startswith(BAD[select])


def test_a_refusal_names_what_is_offered() -> None:
    with pytest.raises(RefusedStatement) as error:
        checked("select md5('x')")
    assert str(error.value) == f"The function md5 is not offered here. There are {', '.join(sorted(FUNCTIONS))}."


def test_a_reader_is_answered_and_whoever_can_become_more_is_refused_with_the_roles(database: str) -> None:
    if database.startswith("duckdb"):
        return
    for user, roles in {
        "member": "pg_read_server_files",
        "signals": "pg_signal_backend",
        "beyond": "boss. The page on security says how to make a reader.",
        "postgres": "boss, pg_checkpoint",
    }.items():
        with pytest.raises(RefusedStatement) as error:
            rows_of(database.replace("reader@", f"{user}@"), "select 1 as one", 1, 20)
        assert str(error.value).startswith(
            f"--sql takes a PostgreSQL user who can only read. This one is, or can become, {roles}"
        )


@pytest.mark.parametrize("page", ["security.md", "security.ru.md"])
def test_the_user_whom_the_docs_make_is_answered(database: str, page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert set(re.findall(r"'(pg_\w+)'", _POWERS)) <= set(re.findall(r"`(pg_\w+)`", text))
    if database.startswith("duckdb"):
        return
    [made] = re.findall(r"```sql\n(CREATE ROLE assistant .*?)```", text, re.DOTALL)
    with psycopg.connect(database.replace("reader@", "postgres@")) as connection:
        for statement in [MARTS, *made.replace("DATABASE crm", "DATABASE postgres").split(";\n")]:
            connection.execute(statement)
        connection.commit()
        assistant = database.replace("reader@", "assistant@")
        assert rows_of(assistant, "select count(*) as deals from amocrm_marts.deals", 1, 20)[1] == [(300,)]
        connection.execute(
            "DROP OWNED BY assistant; DROP ROLE assistant; DROP SCHEMA amocrm_marts, amocrm_staging CASCADE"
        )


def test_an_answer_has_so_many_columns_and_no_more(database: str) -> None:
    columns = ", ".join(f"{number} as c{number}" for number in range(61))
    with pytest.raises(RefusedStatement, match=r"^The statement has 61 columns. Name those you need, 60 at most.$"):
        rows_of(database, f"select {columns}", 1, 20)
    assert rows_of(database, f"select {columns.rpartition(',')[0]}", 1, 20)[1] == [tuple(range(60))]


def test_a_statement_gets_so_much_memory_and_time(database: str) -> None:
    names = (
        ("memory_limit", "max_temp_directory_size", "lock_configuration", "enable_external_access")
        if database.startswith("duckdb")
        else (
            "work_mem",
            "statement_timeout",
            "transaction_read_only",
            "search_path",
            "max_parallel_workers_per_gather",
        )
    )
    with reading(database, read_only=True, seconds=20) as run:
        [held] = run(f"select {', '.join(f'''current_setting('{name}')''' for name in names)}")[1]
    assert [str(value) for value in held] in (
        ["953.6 MiB", "1.8 GiB", "True", "False"],
        ["16MB", "20s", "on", "pg_catalog", "0"],
    )
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    with pytest.raises(DATABASE_ERRORS, match=r"(?i)interrupt|timeout|memory"):
        rows_of(database, endless, 1, 0.3)


ENDLESS = """
    with recursive n(i) as (select 1 union all select i + 1 from n, public.sales where id < 3) select count(*) from n
"""
HEAVY = {
    "duckdb": (
        ENDLESS,
        "select median(a.id * 90000 + b.id * 300 + c.id) from public.sales a, public.sales b, public.sales c, "
        "public.sales d",
    ),
    "postgresql": (ENDLESS,),
}
"""Statements without an end, or with a memory that memory_limit does not count."""


def test_a_statement_without_an_end_is_ended_by_its_process(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that the database does not end when it is told to."""
    monkeypatch.setattr(bounded_select, "SECONDS", 3.0)
    monkeypatch.setattr(bounded_select, "MOST_SECONDS", 8.0)
    before = children_peak()
    for select in HEAVY["duckdb" if database.startswith("duckdb") else "postgresql"]:
        with pytest.raises(ValueError, match="takes more time or memory than it may"):
            bounded_select.bounded_rows(database, select, 500)
    assert children_peak() <= max(before, 900_000)


def children_peak() -> int:
    """The most memory that a process of this one has had (KB)."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def test_rows_are_read_until_an_answer_is_full(database: str) -> None:
    """Sixty columns of 130,000 digits are eight megabytes a row in PostgreSQL."""
    number = "1e300::double" if database.startswith("duckdb") else "power(cast(10 as numeric), 130000)"
    columns = ", ".join(f"{number} as c{place}" for place in range(60))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = bounded_select.bounded_rows(database, f"select {columns} from public.sales", 500)
    if database.startswith("duckdb"):
        assert len(found) < 300
    else:
        assert len(found) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
