"""What `make peers` counts is so, whatever a reader does. The peers themselves are not here: they take the network."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import peers
from benchmarks.peer_connectors import READERS, Connector, Unusable, state_of
from benchmarks.peers import Reader, Row, Snapshot, Table
from sandbox import Account, Server
from testing.connector import files

pytestmark = pytest.mark.at_length

DEALS = len(Account.generate(seed=1, leads=20).tables["leads"])
CONNECTOR = """
import json, sys
import psycopg2, requests

with psycopg2.connect(host="nowhere").cursor() as rows:
    token = rows.fetchone()[0]
signed = {"Authorization": f"Bearer {token}"}
found = requests.get("https://anyone.amocrm.ru/api/v4/leads", {"limit": 250}, headers=signed)
found.raise_for_status()
for lead in found.json()["_embedded"]["leads"] * 2:
    print(json.dumps({"type": "RECORD", "record": {"stream": "leads", "data": lead}}))
stream = {"stream_descriptor": {"name": "leads"}, "stream_state": {"updated_at": 7}}
print(json.dumps({"type": "STATE", "state": {"type": "STREAM", "stream": stream}}))
if "--state" in sys.argv:
    assert json.load(open(sys.argv[-1])) == [{"type": "STREAM", "stream": stream}]
    print(json.dumps({"type": "TRACE", "trace": {"type": "ERROR", "error": {"message": "Not | twice."}}}))
    sys.exit(1)
"""


def reader(program: Path) -> Reader:
    def command(server: Server, folder: Path, before: str) -> list[str]:
        paths = files(folder, **({"state": state_of(before)} if before else {}))
        token = peers.token_of(server)
        return [sys.executable, str(READERS), "connector", server.url, token, str(program), "read", *paths]

    return Reader("some connector", command, peers.public_rows)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "LEADS", 20)
    monkeypatch.setattr(peers, "EDIT_EVERY", 3_600)
    monkeypatch.setattr(peers, "LATENCY", (0, 0))


@pytest.mark.usefixtures("quiet")
def test_a_connector_with_an_address_and_a_database_of_its_own(tmp_path: Path) -> None:
    """It asks for another account at amocrm.ru, and finds the one on this machine; it fails where it has a state."""
    (tmp_path / "main.py").write_text(CONNECTOR, encoding="utf-8")
    told = re.sub(r"\d+\.\d", "0.4", peers.line(reader(tmp_path / "main.py")))
    ended = "well; then with an error: Not / twice."
    assert told == f"| some connector | 0 of {DEALS} | {DEALS} | 1 | 0.4 | 0, 0, 0 | 1 | {ended} |"


@pytest.mark.usefixtures("quiet")
def test_one_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "TIMEOUT", 0.5)
    (tmp_path / "main.py").write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    told = re.sub(r"\d+\.\d", "0.5", peers.line(reader(tmp_path / "main.py")))
    assert told == f"| some connector | {DEALS} of {DEALS} | 0 | 0 | 0.5 | – | – | not by itself |"


def test_what_is_wrong_in_a_table() -> None:
    """Deal 1 was changed during the second sync, so that it may be old; 5 came meanwhile, and may be missing."""
    table = Table()
    table.take([Row(1, 10), Row(2, 10), Row(3, 9), Row(3, 10), Row(6, 1), Row(7, 1), Row(8, 1), Row(8, gone=True)])
    before = Snapshot({1: 10, 2: 20, 3: 10, 4: 1}, {1, 2, 3, 4}, {6, 8})
    after = Snapshot({1: 30, 2: 20, 3: 10, 4: 1, 5: 30}, {1, 2, 3, 4}, {6, 7, 8})
    assert table.wrong(before, after) == (1, 1, 1)


def test_the_last_state_of_each_stream_in_the_form_in_which_it_came() -> None:
    def printed(*states: object) -> str:
        return "\n".join(json.dumps({"type": "STATE", "state": state}) for state in states) + '\n{"type": "STA'

    one, other, later = (
        {"stream_descriptor": {"name": name}, "stream_state": {"at": at}}
        for name, at in (("leads", 1), ("events", 2), ("leads", 3))
    )
    whole = [{"type": "STREAM", "stream": later}, {"type": "STREAM", "stream": other}]
    assert state_of(printed(*({"type": "STREAM", "stream": stream} for stream in (one, other, later)))) == whole
    assert state_of(printed({"data": {"leads": 1}}, {"data": {"leads": 2}})) == {"leads": 2}
    assert state_of("Nothing.") == {}


def test_a_repository_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peer_connectors.FOLDER", tmp_path / "connectors")
    config: Callable[[str], dict[str, object]] = lambda _: {}  # noqa: E731
    connector = Connector("one", "nobody/nothing", "0" * 40, "", (".",), config)
    with pytest.raises(Unusable, match=r"^git fetch: fatal: .*nobody/nothing"):
        connector.prepare(str(tmp_path))
