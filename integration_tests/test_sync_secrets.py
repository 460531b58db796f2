"""While a sync runs, and after it was killed, nobody else on the machine can read a token or a password."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import psycopg
import pytest

from sandbox import OFF, Account, Server
from testing import postgres
from testing.forked_sync import eager, kill
from testing.leaks import clean
from testing.postgres import wait_until_refused
from testing.warehouse import PYTHON, ROOT, refused, start, unanswered

TREES_OF_OTHERS = re.compile(r"\.git|\.venv.*|__pycache__|\..*_cache")
PASSWORD = "p4ss'%20word"
"""As it stands in an address; the server's own has a blank in it."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Account.generate(leads=100), rate=OFF) as running:
        yield running


@pytest.fixture
def config(server: Server, tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**server.config(), "requests_per_second": 50}), encoding="utf-8")
    path.chmod(0o600)
    return path


def files(folder: Path, secret: str, *, for_others: bool) -> list[Path]:
    """The files that hold the secret; with `for_others` those that every user of the machine can open."""
    found: list[Path] = []
    for parent, names, contents in os.walk(folder):
        names[:] = [name for name in names if not TREES_OF_OTHERS.fullmatch(name)]
        if for_others:
            names[:] = [name for name in names if (Path(parent) / name).stat().st_mode & stat.S_IXOTH]
        for path in (Path(parent) / name for name in contents):
            if path.is_file() and not (for_others and not path.stat().st_mode & stat.S_IROTH):
                found += [path] if secret.encode() in path.read_bytes() else []
    return found


def reading(process: subprocess.Popen[str]) -> None:
    """Returns when rows have come."""
    assert process.stdout is not None
    next(line for line in process.stdout if " rows" in line)


def test_no_token_is_in_a_file_and_every_file_is_the_owner_s_alone(
    server: Server, config: Path, tmp_path: Path
) -> None:
    token = json.loads(config.read_text(encoding="utf-8"))["credentials"]["access_token"]
    place, home, database = tmp_path / "tmp", tmp_path / "own", tmp_path / "crm.duckdb"
    place.mkdir(mode=0o777)
    settings = {"TMPDIR": str(place), "SOURCE_AMOCRM_HOME": str(home)}

    with unanswered(server, "/contacts$"):
        process = eager(config, str(database), "1", **settings)
        deadline = time.monotonic() + 600
        while not database.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        others = [path for path in (database, *tmp_path.glob("crm.duckdb.*")) if _mode(path) & 0o077]
        assert others == []
        assert list(place.iterdir()) == []
        assert not home.exists(), "nothing waits on the disk"
        kill(process, str(database))
    assert files(tmp_path, token, for_others=True) == []

    next_one = start(config, str(database), "1", "--streams", "users,deals", **settings)
    said = clean(next_one.communicate(timeout=6000)[0])
    assert next_one.returncode == 0, said
    assert not home.exists()
    assert _mode(database) == 0o600


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "database", ["user:p4ss@host:5432/db", "user:p4/ss@host/db", "//u:p4ss@host/db", "host:5432/name", "localhost/crm"]
)
def test_an_address_without_its_beginning_makes_no_folder(database: str, config: Path, tmp_path: Path) -> None:
    before = set(ROOT.iterdir())
    said = refused("--config", str(config), DB=database, TMPDIR=str(tmp_path))
    assert said == (
        "The database looks like a server's address without its beginning: write postgresql://user@host:port/name, "
        "with the password in the environment variable PGPASSWORD. A DuckDB file of such a name is given with its "
        "folder, as in ./name.\n"
    )
    assert set(ROOT.iterdir()) == before


def test_a_folder_that_is_not_there_may_be_a_server(config: Path, tmp_path: Path) -> None:
    assert refused("--config", str(config), DB=str(tmp_path / "db.example.com" / "crm")) == (
        "The folder that the DuckDB file is to be in is not there. Make it first; or, if a server is meant, write "
        "postgresql://user@host:port/name, with the password in the environment variable PGPASSWORD.\n"
    )
    assert not (tmp_path / "db.example.com").exists()


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_make_puts_no_password_on_a_command_line(options: list[str], config: Path) -> None:
    command = ["make", *options, "sync", "PROJECT=1", f"CONFIG={config}"]
    # A make under `make test` would name the folder it enters before anything else.
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    environment["DB"] = f"postgre://user:{PASSWORD}$x@host/crm"
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    said = clean(done.stdout + done.stderr)
    assert "p4ss" not in said
    assert (
        (".venv/bin/source-amocrm sync --report --config" in said)
        if options
        else said.startswith("There is no kind of database “postgre”. The nearest name is postgres")
    )


def test_the_password_is_taken_from_the_environment(server: Server, config: Path) -> None:
    with postgres.server() as url, unanswered(server, "/contacts$"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE ROLE guarded SUPERUSER LOGIN PASSWORD 'p4ss'' word'")
            rules = Path(str(cast("tuple[str]", connection.execute("SHOW hba_file").fetchone())[0]))
            rules.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
            connection.execute("SELECT pg_reload_conf()")
        guarded = url.replace("postgres@", "guarded@")
        wait_until_refused(guarded)
        streams = ["--config", str(config), "--project", "1", "--streams", "users"]
        assert "p4ss" not in (said := refused(*streams, DB=guarded, PGPASSWORD="p4ss"))
        assert 'password authentication failed for user "guarded"' in said
        process = start(config, guarded, "1", PGPASSWORD="p4ss' word")
        reading(process)
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
        assert any(b"sync\0--config" in line for line in lines)
        assert [line for line in lines if b"p4ss" in line] == []
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=600)


def test_what_the_demo_says_of_its_database_holds_no_password() -> None:
    addresses = ["postgresql://user:p4ss:x%40y@host:5432/crm", "postgresql://user@host/crm", "./crm.duckdb"]
    imported = "from amocrm_warehouse.database_address import without_password as shown"
    code = f"{imported}; print(*map(shown, {addresses!r}), sep='\\n')"
    done = subprocess.run([PYTHON, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["postgresql://user@host:5432/crm", *addresses[1:]]
