"""The commands of the guides, typed as they stand into a shell: what they need of the internet is here already."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from amocrm_fleet.accounts_folder import add
from sandbox import OFF, Account, Server, writes
from sandbox.server import oauth_credentials
from testing import expected, models
from testing.guides import block, typed
from testing.machine import pyairbyte
from testing.ports import free_port
from testing.warehouse import ROOT

pytestmark = pytest.mark.at_length

PATIENCE = 600
EXPIRED = "2020-01-01T00:00:00Z"
INSTALLED = f"{ROOT / '.venv' / 'bin'}:/usr/bin:/bin"
"""Where the connector is installed."""
INVITE = ".venv/bin/source-amocrm invite --public-url https://connect.example.com --accounts accounts"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the virtual environment of a clone."""
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Account.generate(leads=20), rate=OFF) as running:
        yield running


def settings(server: Server, **credentials: Any) -> dict[str, Any]:
    """Without a pace, which has tests of its own."""
    config = server.config()
    return {**config, "requests_per_second": 50, "credentials": credentials or config["credentials"]}


def test_connect_by_the_two_lines(clone: Path) -> None:
    """What the page does is the matter of tests in a browser."""
    lines = block("connect.md", ".venv/bin/source-amocrm connect ").splitlines()
    assert len(lines) == 2
    for line in lines:
        command, port = line.partition("  #")[0], free_port()
        with served(f"{command} --language en --port {port}", clone, "Ctrl-C ends the page.") as said:
            [link] = [word for word in said.split() if word.startswith(f"http://localhost:{port}/start?key=")]
            assert visited(link, port) == 303


def test_versions_and_names_of_a_day(tmp_path: Path) -> None:
    """A deal has the name that it had then; so far as the first sync knew it."""
    versions, names = (block("sync.md", f"SELECT {begins}") for begins in ("lead_id, name, sale", "id, name"))
    account = Account.generate(leads=20)
    old = next(row for row in account.tables["leads"] if row["created_at"] < 1_790_000_000)
    with Server(account, rate=OFF) as server:
        (tmp_path / "config.json").touch(mode=0o600)
        (tmp_path / "config.json").write_text(json.dumps(settings(server)), encoding="utf-8")
        to = " --to duckdb:///crm.duckdb --project 1001"
        typed(f"source-amocrm sync --config config.json{to}", tmp_path, PATH=INSTALLED)
        before, named = (
            old["name"],
            {stage["id"]: stage["name"] for one in account.pipelines for stage in one["statuses"]},
        )
        writes.edit(account, "leads", old["id"], name="Another name")
        with_versions = block("sync.md", "source-amocrm sync --config config.json --history ").strip()
        typed(f"{with_versions}{to}", tmp_path, PATH=INSTALLED)
    with closing(duckdb.connect(str(tmp_path / "crm.duckdb"), read_only=True)) as database:
        found = {deal: name for deal, name, _ in database.execute(versions).fetchall()}
        assert found[old["id"]] == before != "Another name"
        later = database.execute(names.replace("2026-11-03", "2100-01-01")).fetchall()
        assert dict(later) == named


def test_a_folder_of_accounts(server: Server, clone: Path) -> None:
    """What `fleet sync` writes is the matter of its own tests."""
    fleet_sync = ".venv/bin/source-amocrm fleet sync --accounts accounts --parallel"
    begin, sync = (block("fleet.md", begins) for begins in ("make setup", fleet_sync))
    names = re.findall(r"connect --config accounts/(\w+)\.json$", begin, re.MULTILINE)
    check, status = begin.splitlines()[-1], sync.splitlines()[-1]
    for name in names:
        add(clone / "accounts", settings(server), name)
    assert typed(check, clone).splitlines()[-1] == "2 of 2 accounts can be read."
    assert [line.split()[:2] for line in typed(status, clone).splitlines()[1:]] == [[name, "never"] for name in names]


def rows(database: Path, table: str) -> int:
    with duckdb.connect(str(database), read_only=True) as connection:
        [(count,)] = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(count)


def test_invitations(clone: Path) -> None:
    serve, port = block("invite.md", f"{INVITE} --count")[:-1], free_port()
    with served(f"{serve} --port {port}", clone, "Ctrl-C ends it.") as said:
        more = typed(block("invite.md", f"{INVITE} --links-only"), clone)
        assert re.findall(r"/i/\S+   (\S+) *$", more, re.MULTILINE) == ["example.amocrm.ru", "example.kommo.com"]
        links = re.findall(r"https://connect\.example\.com/i/\S+", said + more)
        assert [visited(link, port) for link in links] == [303] * 5
        assert visited(f"{links[0]}x", port) == 404


@contextmanager
def served(command: str, folder: Path, ready: str) -> Iterator[str]:
    """What a command prints before it serves a page, until Ctrl-C."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PATH": INSTALLED},
    )
    assert process.stdout is not None
    said = ""
    while ready not in said:
        line = process.stdout.readline()
        assert line, f"it ended before it served: {said}"
        said += line
    try:
        yield said
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        process.stdout.close()


def visited(link: str, port: int) -> int:
    """The status that a browser gets, be it by way of a proxy."""
    host, _, path = link.partition("://")[2].partition("/")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", f"/{path}", headers={"Host": host})
        return connection.getresponse().status
    finally:
        connection.close()


def test_pyairbyte_in_ten_lines(server: Server, tmp_path: Path) -> None:
    for name, environment in ("connector", ROOT / ".venv"), ("pyairbyte", pyairbyte()):
        (tmp_path / name).symlink_to(environment)
    (tmp_path / "read.py").write_text(block("pyairbyte.md", "import json"), encoding="utf-8")
    config = tmp_path / "config.json"
    spent = {**oauth_credentials(server.tokens), "token_expiry_date": EXPIRED}
    config.write_text(json.dumps(settings(server, **spent)), encoding="utf-8")
    script = "\n".join(
        line for line in block("pyairbyte.md", "python3.11 -m venv").splitlines() if "pip install" not in line
    )
    database, deals = tmp_path / "amocrm.duckdb", "amocrm_1001_deals"

    typed(script, tmp_path)
    assert rows(database, deals) == len(server.account.tables["leads"].rows)
    assert rows(database, "amocrm_1001_users") == len(server.account.users)
    assert json.loads(config.read_text(encoding="utf-8"))["credentials"]["refresh_token"] != spent["refresh_token"]


def test_the_duckdb_file_opens(server: Server, tmp_path: Path) -> None:
    tables = expected.tables(server.account)
    held = {name: tables[name] for name in ("deals", "statuses")}
    models.store(str(tmp_path / "crm.duckdb"), "1001", held, "duckdb")
    question = "SELECT count(*) AS deals FROM amocrm.amocrm_1001_deals;\n"
    said = typed(block("tables.md", "duckdb -readonly "), tmp_path, question, PATH=INSTALLED)
    assert re.findall(r"amocrm_1001_\w+", said) == ["amocrm_1001_deals", "amocrm_1001_statuses"]
    assert str(len(tables["deals"])) in said
    (tmp_path / "show.py").write_text(block("tables.md", "import duckdb"), encoding="utf-8")
    said = typed("python show.py", tmp_path, PATH=INSTALLED)
    [first] = [status["status_name"] for status in tables["statuses"][:1]]
    assert first in said
