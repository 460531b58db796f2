"""The sandbox on a port: real sockets, broken ones included."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace

import pytest
import requests

from sandbox import OFF, Account, Fault, Server
from sandbox import server as module
from sandbox.__main__ import main

PROBES = Path(__file__).resolve().parents[1] / "sandbox" / "probes"
PATIENCE = 600.0
"""Seconds until an answer counts as one that does not come."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(Account.generate(1, 40), rate=OFF) as running:
        yield running


def session(server: Server) -> requests.Session:
    opened = requests.Session()
    opened.headers["Authorization"] = f"Bearer {server.tokens.long_lived()}"
    return opened


def test_keeps_the_connection_and_logs(server: Server) -> None:
    asked = session(server)
    for _ in range(3):
        assert asked.get(f"{server.url}/api/v4/leads?limit=1", timeout=PATIENCE).status_code == 200
    assert asked.get(f"{server.url}/api/v4/leads?page=9", timeout=PATIENCE).status_code == 204
    pools = asked.get_adapter(server.url).poolmanager.pools  # type: ignore[attr-defined]
    assert pools[next(iter(pools.keys()))].num_connections == 1
    assert [(seen.path, seen.query, seen.status) for seen in server.log] == [
        *[("/api/v4/leads", "limit=1", 200)] * 3, ("/api/v4/leads", "page=9", 204),
    ]  # fmt: skip
    assert server.log[0].token == "long-lived 1"


def test_requests_wait_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is over before all of them wait."""
    waited: list[float] = []
    together = Barrier(8)

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        together.wait(PATIENCE)

    with Server(Account.generate(1, 40), rate=OFF, latency=(0.2, 0.2)) as server:
        asked = session(server)
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=sleep))
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: asked.get(f"{server.url}/api/v4/leads", timeout=PATIENCE), range(8)))
    assert {answered.status_code for answered in answers} == {200}
    assert sum(waited) == pytest.approx(8 * 0.2)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset_before", requests.ConnectionError),
        ("reset_after_headers", requests.RequestException),
        ("short_body", requests.exceptions.ChunkedEncodingError),
        ("hang", requests.ReadTimeout),
        ("drip", requests.ReadTimeout),
    ],
)
def test_broken_wires(server: Server, kind: str, error: type[Exception]) -> None:
    server.sandbox.faults.add(Fault(kind, times=1))
    server.sandbox.faults.drip_seconds = 5
    asked = session(server)
    with pytest.raises(error):
        asked.get(f"{server.url}/api/v4/leads", timeout=(PATIENCE, 0.5 if kind in ("hang", "drip") else PATIENCE))
    assert asked.get(f"{server.url}/api/v4/leads", timeout=PATIENCE).status_code == 200


def test_a_drip_arrives_in_the_end(server: Server) -> None:
    server.sandbox.faults.add(Fault("drip", times=1))
    server.sandbox.faults.drip_seconds = 0.0002
    assert session(server).get(f"{server.url}/api/v4/account", timeout=PATIENCE).json()["id"] == server.account.id


def test_control_edits_and_shows_the_log(server: Server) -> None:
    before = server.account.events.version
    edits = requests.post(f"{server.url}/_sandbox/edit?count=5", timeout=PATIENCE).json()["edits"]
    assert len(edits) == 5
    assert server.account.events.version > before
    session(server).get(f"{server.url}/api/v4/account", timeout=PATIENCE)
    log = requests.get(f"{server.url}/_sandbox/log", timeout=PATIENCE).json()
    assert [(line["path"], line["status"], line["token"]) for line in log] == [("/api/v4/account", 200, "long-lived 1")]


def test_command_line_plays_an_account_that_was_probed() -> None:
    """Kommo's pages of events hold 250."""
    command = [sys.executable, "-m", "sandbox", "--leads", "100", "--rate", "0", "--like"]
    command.append(str(PROBES / "kommo-2026.json"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        url = running.stdout.readline().strip()
        config = json.loads("".join(iter(running.stdout.readline, "}\n")) + "}")
        headers = {"Authorization": f"Bearer {config['credentials']['access_token']}"}
        page = requests.get(f"{url}/api/v4/events?limit=250", headers=headers, timeout=PATIENCE).json()
        running.terminate()
    assert config["account_domain"] == "example.kommo.com"
    assert len(page["_embedded"]["events"]) == 250


def test_a_file_that_is_no_probe_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "probe.json").write_text("[]")
    with pytest.raises(SystemExit):
        main(["--like", str(tmp_path / "probe.json")])
    assert f"{tmp_path / 'probe.json'} is no probe.json" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "sentence"), [
    ("x=1", "there is no switch “x”. There are: from_inclusive, to_inclusive, filter_enabled, "),
    ("end=empty", "“empty” is no JSON: write page_max=50, or 'end=\"empty\"'"),
])  # fmt: skip
def test_a_switch_that_is_not_there_is_refused_with_the_names(
    capsys: pytest.CaptureFixture[str], given: str, sentence: str
) -> None:
    with pytest.raises(SystemExit):
        main(["--switch", given])
    assert f"argument --switch: {sentence}" in capsys.readouterr().err


def test_command_line_prints_the_address_and_a_config() -> None:
    command = [sys.executable, "-m", "sandbox", "--leads", "20", "--rate", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout is not None
        try:
            url = running.stdout.readline().strip()
            lines = [running.stdout.readline()]
            while lines[-1] != "}\n":
                lines.append(running.stdout.readline())
            config = json.loads("".join(lines))
            assert (config["api_base_url"], config["account_domain"]) == (url, "example.amocrm.ru")
            headers = {"Authorization": f"Bearer {config['credentials']['access_token']}"}
            assert requests.get(f"{url}/api/v4/account", headers=headers, timeout=PATIENCE).status_code == 200
        finally:
            running.terminate()
    assert running.returncode == 0
