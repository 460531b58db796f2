"""A database that cannot be used is told at once, by its cause and the next step, and no output holds its password."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from urllib.parse import quote

import duckdb
import psycopg
import pytest

from amocrm_warehouse.database_address import OTHERS, SCHEMES
from amocrm_warehouse.models_command import build
from amocrm_warehouse.report.report_command import after_sync
from testing import forked, postgres, small_marts
from testing.combinations import one_in
from testing.postgres import wait_until_refused
from testing.warehouse import refused

PLANTED = "pl4nted/Pass w0rd"
"""A password that no output may hold, in any form."""
SPOKEN = {PLANTED, quote(PLANTED), quote(PLANTED, safe="")}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server that asks `guarded` for a password and lets `reader` create nothing."""
    with postgres.server() as address:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE guarded LOGIN PASSWORD '{PLANTED}'")
            connection.execute("CREATE ROLE reader LOGIN")
            connection.execute("CREATE SCHEMA amocrm")
            connection.execute("CREATE DATABASE other")
            connection.execute("CREATE DATABASE guests")
            connection.execute("GRANT CREATE ON DATABASE guests TO reader")
            connection.execute("REVOKE TEMPORARY ON DATABASE guests FROM public")
            rules = Path(str(cast("tuple[str]", connection.execute("SHOW hba_file").fetchone())[0]))
            rules.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
            connection.execute("SELECT pg_reload_conf()")
        wait_until_refused(address.replace("postgres@", "guarded@"))
        yield address


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    credentials = {"auth_type": "long_lived_token", "access_token": "a.b.c"}
    path.write_text(json.dumps({"account_domain": "example.amocrm.ru", "credentials": credentials}), encoding="utf-8")
    path.chmod(0o600)
    return path


CAUSES = {
    "no password": (
        "guarded@",
        "",
        "The database cannot be opened: no password supplied. Put the user's password into the environment variable "
        "PGPASSWORD.\n",
    ),
    "a wrong password": (
        "guarded@",
        "wrong",
        'The database cannot be opened: password authentication failed for user "guarded". Correct the user in --to, '
        "or the password: in --to, or else in the environment variable PGPASSWORD.\n",
    ),
    "no such user": (
        "nobody@",
        "",
        'The database cannot be opened: role "nobody" does not exist. Correct the user in --to, or create it (CREATE '
        'ROLE "nobody" LOGIN PASSWORD …).\n',
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_who_is_not_let_in_reads_why_and_what_to_do(url: str, config: Path, cause: str) -> None:
    user, password, sentence = CAUSES[cause]
    address = url.replace("postgres@", user)
    assert refused("--config", str(config), DB=address, PGPASSWORD=password) == sentence
    if cause == "no password":
        for project in ([], ["--project", "1"]):
            done = forked.run(["models", "--to", address, *project], {"PGPASSWORD": password})
            assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


def test_a_database_that_is_not_there_is_named(url: str, config: Path) -> None:
    assert refused("--config", str(config), DB=f"{url.removesuffix('postgres')}crm") == (
        'The database cannot be opened: database "crm" does not exist. Create it (CREATE DATABASE "crm"), or correct '
        "the name at the end of --to.\n"
    )


@pytest.mark.parametrize(
    ("database", "grants"),
    [
        ("other", "GRANT CREATE ON DATABASE other TO reader"),
        ("postgres", "GRANT USAGE, CREATE ON SCHEMA amocrm TO reader"),
        ("guests", "GRANT TEMPORARY ON DATABASE guests TO reader"),
    ],
)
def test_a_user_who_may_not_write_is_told_before_the_account_is_read(
    url: str, config: Path, database: str, grants: str
) -> None:
    address = url.replace("postgres@", "reader@").removesuffix("postgres") + database
    assert refused("--config", str(config), DB=address) == (
        f"This PostgreSQL user may not create the tables. Let the owner of the database run {grants}; and run again.\n"
    )
    if database == "other":
        with pytest.raises(ValueError, match=re.escape(f"run {grants}; and run again.")):
            build(address, ["1"])


def test_a_database_that_fails_after_a_sync_is_a_sentence() -> None:
    """So that the next round of `--every` comes."""
    with pytest.raises(ValueError, match=r"^The marts cannot be read: .*Connection refused"):
        after_sync("postgresql://nobody@127.0.0.1:1/none", "1")


def test_a_project_that_is_not_there_is_refused_before_models_are_built(tmp_path: Path) -> None:
    path = tmp_path / "crm.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA amocrm; CREATE TABLE amocrm.amocrm_1001_deals (deal_id bigint)")
    done = forked.run(["models", "--to", str(path), "--project", "1001,77"], {})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "There are no tables of the project 77 in the schema amocrm of this database: read the account first "
        "(source-amocrm sync --project 77), or name another project or schema. There are: 1001.\n"
    )
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT count(*) FROM information_schema.tables").fetchone() == (1,)


def test_a_report_makes_no_file_to_read(tmp_path: Path) -> None:
    path = tmp_path / "none.duckdb"
    for options in ([], ["--built"], ["--digest", "--built"]):
        done = forked.run(["report", "--to", str(path), *options], {})
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"There is no DuckDB file {path}. Read an account into it first: source-amocrm sync.\n"
    assert list(tmp_path.iterdir()) == []


SYNC, MARTS, FLEET = (
    {"sync": ["--config", "config.json"], "verify": ["--config", "config.json"]},
    {"models": ["--project", "1"], "report": ["--built", "--digest"], "mcp": [], "publish": ["--to", "file:///none"]},
    {
        "fleet sync": [],
        "fleet verify": [],
        "fleet publish": [],
        "fleet status": ["--json"],
        "fleet page": ["--out", "fleet.html"],
    },
)
WAREHOUSES = {"postgresql": "/crm", "mysql": "/crm", "clickhouse": ""}
"""What follows the port in the address of a warehouse."""
SEARCHED = {"postgresql": SYNC | FLEET | MARTS, "motherduck": SYNC | MARTS}
"""The verbs by kind of address; the other kinds are only synced to."""


@pytest.mark.parametrize("kind", one_in(3, sorted({*SCHEMES, *OTHERS} - {"file", "s3"})))
def test_no_verb_shows_the_password_of_an_address(config: Path, kind: str) -> None:
    """Nobody listens at port 1. Whatever each verb prints or writes is searched, the account's log and page too."""
    folder = config.parent
    (folder / "accounts").mkdir(mode=0o700)
    (folder / "accounts" / "north.json").write_bytes(config.read_bytes())
    (folder / "accounts" / "north.json").chmod(0o600)
    secret = quote(PLANTED, safe="")
    token = f"?motherduck_token={secret}" if kind == "motherduck" else ""
    address = f"{kind}://ann:{secret}@127.0.0.1:1/crm{token}"
    environment = {"DB": address, "PUBLISH_TO": address, "SOURCE_AMOCRM_HOME": str(folder / "own")}
    texts = []
    for verb, options in SEARCHED.get(kind, SYNC).items():
        done = forked.run([*verb.split(), *options], environment, cwd=folder)
        assert done.returncode or verb in ("mcp", "fleet page")
        texts += [done.stdout, done.stderr]
    assert any(texts)
    texts += [path.read_text(encoding="utf-8", errors="replace") for path in folder.rglob("*") if path.is_file()]
    assert [text for text in texts for form in SPOKEN if form in text] == []


@pytest.mark.parametrize("kind", WAREHOUSES)
def test_publishing_shows_no_password_of_the_warehouse(tmp_path: Path, kind: str) -> None:
    file = str(tmp_path / "crm.duckdb")
    small_marts.build(file, ["1001"])
    address = f"{kind}://ann:{quote(PLANTED, safe='')}@127.0.0.1:1{WAREHOUSES[kind]}"
    done = forked.run(["publish", "--from", file, "--to", address], {"SOURCE_AMOCRM_HOME": str(tmp_path / "own")})
    assert done.returncode == 2
    assert "refused" in done.stderr
    texts = [done.stdout, done.stderr]
    texts += [path.read_text(encoding="utf-8", errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert [text for text in texts for form in SPOKEN if form in text] == []
