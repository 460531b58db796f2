"""What stands beside the accounts that were read ends no verb: accounts that were not, and tables of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testing import forked, models, postgres
from testing.report_page import contents
from testing.sheets import sheets
from testing.warehouse import execute

ACCOUNT: dict[str, list[dict[str, Any]]] = {
    "account": [{"account_id": 1, "name": "Ромашка", "currency": "RUB"}],
    "users": [{"user_id": 100_001, "name": "Анна"}],
    "statuses": [{"pipeline_id": 1, "status_id": status, "status_sort": status} for status in (11, 142, 143)],
    "deals": [
        {"lead_id": 1, "created_at": "2026-10-01T00:00:00Z", "updated_at": "2026-10-31T00:00:00Z", "pipeline_id": 1,
         "status_id": 11, "responsible_user_id": 100_001},
    ],
    "tasks": [],
    "calls": [],
}  # fmt: skip
NEVER_READ: dict[str, list[dict[str, Any]]] = {
    "element_types": [{"element_type": 1, "code": "contacts"}],
    "note_types": [],
    "syncs": [
        {"started_at": "2026-11-01T09:00:00Z", "ended_at": "2026-11-01T09:00:01Z", "ended_well": False, "rows": 0,
         "failures": ["amoCRM does not accept the token."]},
    ],
}  # fmt: skip
FOREIGN = """
    CREATE TABLE amocrm."amocrm_it's_deals" (a integer);
    CREATE TABLE amocrm."amocrm_{x}_deals" (a integer);
    CREATE TABLE amocrm."amocrm_{{ x }}_users" (a integer);
    CREATE TABLE amocrm."amocrm_""x""_account" (a integer);
    CREATE SCHEMA "A ""quoted"" one";
    CREATE TABLE "A ""quoted"" one".freshness (project_id varchar, source_table varchar, built_at timestamp);
    CREATE TABLE "A ""quoted"" one".int_tables (table_name varchar, table_schema varchar, relation_name varchar);
    CREATE SCHEMA greengrocer;
    CREATE TABLE greengrocer.freshness (built_at varchar);
    CREATE TABLE greengrocer.int_tables (relation_name integer);
"""
SAID = (
    "The account client04 was never read, so the models are without it. Read it: source-amocrm sync --project "
    "client04. Or drop its tables, amocrm_client04_…\n"
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An account that was read, one that never was, and tables and schemas of others."""
    url = str(tmp_path / "crm.duckdb") if request.param == "duckdb" else request.getfixturevalue("server")
    models.store(url, "client01", ACCOUNT, request.param)
    models.store(url, "client04", NEVER_READ, request.param)
    execute(url, FOREIGN)
    return str(url)


def test_the_accounts_that_were_read_are_in_every_output(database: str, tmp_path: Path) -> None:
    done = models.run(database, "--project", "client01,client04")
    assert (done.returncode, done.stderr) == (0, SAID)
    assert "models of the project client01 are in" in done.stdout
    page, book = tmp_path / "page.html", tmp_path / "book.xlsx"
    files = ["--out", str(page), "--xlsx", str(book), "--png", str(tmp_path / "month.png"), "--digest"]
    for options, said in (([], SAID), (["--built"], "")):
        done = forked.run(["report", "--quiet", "--to", database, *files, *options], {})
        assert (done.returncode, done.stderr.replace(f"\nThe report: {page}\n", "")) == (0, said)
        assert "Ромашка" in done.stdout
        assert "Definitions" in sheets(book)
        told = ["client04, last read whole never: amoCRM does not accept the token."]
        assert contents(page)["unread"] == (told if said else [])
    lake = tmp_path / "lake"
    done = forked.run(["publish", "--quiet", "--from", database, "--to", f"file://{lake}"], {})
    assert (done.returncode, done.stderr) == (0, "")
    assert "client01" in done.stdout


def test_accounts_of_which_none_was_read_are_named(tmp_path: Path) -> None:
    database = str(tmp_path / "crm.duckdb")
    models.store(database, "client04", NEVER_READ, "duckdb")
    for options in ([], ["--project", "client04"]):
        done = models.run(database, *options)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", SAID)


def test_a_user_who_may_not_read_the_tables_is_told_the_right_to_grant(server: str) -> None:
    models.store(server, "client01", ACCOUNT, "postgres")
    execute(server, "CREATE ROLE reader LOGIN; GRANT CREATE ON DATABASE postgres TO reader")
    address = server.replace("postgres@", "reader@")
    for options in ([], ["--project", "client01"]):
        done = models.run(address, *options)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", refusal("amocrm"))
    models.build(server, "--project", "client01")
    built = ["report", "--quiet", "--digest", "--built", "--to", address]
    for schema in ("amocrm_marts", "amocrm_staging"):
        done = forked.run(built, {})
        assert (done.returncode, done.stdout, done.stderr) == (2, "", refusal(schema))
        execute(server, grants(schema))
    assert forked.run(built, {}).returncode == 0
    execute(server, "REVOKE SELECT ON amocrm_marts.queue FROM reader")
    assert forked.run(built, {}).stderr == refusal("amocrm_marts")


def grants(schema: str) -> str:
    return (
        f"GRANT USAGE ON SCHEMA {schema} TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader; "
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO reader"
    )


def refusal(schema: str) -> str:
    return (
        f"This PostgreSQL user may not read the tables. Let the owner of the database run {grants(schema)}; and run "
        "again.\n"
    )
