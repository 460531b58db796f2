"""The commands of the guides that run the image, typed as they stand, with an account of the tests' own."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import OFF, Account, Server, writes
from sandbox.server import oauth_credentials
from testing import machine
from testing.guides import block, typed
from testing.terminal import on_a_terminal

pytestmark = pytest.mark.image_tests
JQ = machine.Part(tests="the commands of the Docker guide", get="jq", places=("jq",))
NAME = "airbyte/source-amocrm:dev"
"""As the guides call the image."""
EXPIRED = "2020-01-01T00:00:00Z"
DOCKER = """#!/bin/sh
[ "$1" = run ] || exit 1
shift
exec "{docker}" run --network host "$@"
"""
"""A container of its own network would not reach the account, which is on this machine alone."""


@dataclass
class Reader:
    """Who follows the guide, in a folder and with an account of their own."""

    folder: Path
    server: Server
    image: str
    path: str

    def script(self, *begins: str) -> str:
        return "\n".join(block("docker.md", one) for one in begins).replace(NAME, self.image)

    def types(self, script: str) -> str:
        return typed(script, self.folder, PATH=self.path)

    def config(self, **credentials: Any) -> Path:
        path = self.folder / "secrets" / "config.json"
        config = {**self.server.config(), "requests_per_second": 50}
        path.write_text(json.dumps({**config, "credentials": credentials or config["credentials"]}), encoding="utf-8")
        path.chmod(0o600)
        return path


@pytest.fixture
def reader(image: str, tmp_path: Path) -> Iterator[Reader]:
    JQ.need()
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER.format(docker=shutil.which("docker")))
    docker.chmod(0o755)
    folder = tmp_path / "clone"
    folder.mkdir()
    typed(block("docker.md", "docker build ").partition("\n")[2], folder)
    with Server(Account.generate(leads=20), rate=OFF) as server:
        yield Reader(folder, server, image, f"{docker.parent}:{os.environ['PATH']}")


def messages(output: str, held: str) -> list[dict[str, Any]]:
    """What the messages hold that have this field."""
    return [message[held] for line in output.splitlines() if held in (message := json.loads(line))]


def deals(secrets: Path) -> list[dict[str, Any]]:
    """Those of the last `read`."""
    rows = messages((secrets / "output.jsonl").read_text(encoding="utf-8"), "record")
    return [row["data"] for row in rows if row["stream"] == "deals"]


def test_the_commands_of_the_guide(reader: Reader) -> None:
    reader.config()
    secrets = reader.folder / "secrets"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    said = reader.types(reader.script("docker run --rm airbyte"))
    assert len(messages(said, "spec")) == 1
    assert [status["status"] for status in messages(said, "connectionStatus")] == ["SUCCEEDED"]
    [catalog] = messages(said, "catalog")

    reader.types(reader.script('docker run --rm --user "$(id -u)" -v "$PWD/secrets:/secrets:ro" '))
    configured = json.loads((secrets / "catalog.json").read_text(encoding="utf-8"))["streams"]
    assert [one["stream"] for one in configured] == catalog["streams"]
    modes = {one["stream"]["name"]: (one["sync_mode"], one["destination_sync_mode"]) for one in configured}
    assert modes["deals"] == ("incremental", "append_dedup")
    assert modes["users"] == ("full_refresh", "overwrite")
    assert len(deals(secrets)) == len(reader.server.account.tables["leads"].rows)

    edited = next(iter(reader.server.account.tables["leads"].rows))
    writes.edit(reader.server.account, "leads", edited, name="edited")
    reader.types(reader.script("jq -cn "))
    states = json.loads((secrets / "state.json").read_text(encoding="utf-8"))
    names = [state["stream"]["stream_descriptor"]["name"] for state in states]
    assert sorted(names) == sorted(modes)
    assert {row["name"] for row in deals(secrets) if row["lead_id"] == edited} == {"edited"}
    assert len(deals(secrets)) < len(reader.server.account.tables["leads"].rows)


def test_a_rotated_token_is_kept(reader: Reader) -> None:
    spent = {**oauth_credentials(reader.server.tokens), "token_expiry_date": EXPIRED}
    path = reader.config(**spent)
    script = reader.script("amocrm() {")
    read = script.splitlines()[-1]
    assert read.startswith("amocrm read ")
    said = reader.types(script.removesuffix(f"{read}\n"))
    assert [status["status"] for status in messages(said, "connectionStatus")] == ["SUCCEEDED"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = json.loads(path.read_text(encoding="utf-8"))["credentials"]
    assert kept["refresh_token"] not in (spent["refresh_token"], None)
    assert reader.server.tokens.exchanges == 1


def test_connect_in_the_image(reader: Reader) -> None:
    """Up to the token: what follows takes as long as an account's pace."""
    command = block("connect.md", "docker run --rm -it ").replace(NAME, reader.image)
    seen = on_a_terminal(
        ["bash", "-c", f"{command[:-1]} --language en --api-base-url {reader.server.url}"],
        cwd=reader.folder,
        answers=[reader.server.account.domain, "1", "", "eyJ", "\x04"],
        PATH=reader.path,
    )
    assert "! This token was not copied whole" in seen.text
    assert "The input ended before the account was connected. Nothing was saved." in seen.text
    assert seen.code == 1
