"""`source-amocrm fleet airbyte`: a plan, then what it says and no more; again: nothing. No secret is shown."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amocrm_fleet import fleet_command
from amocrm_fleet.accounts_folder import accounts, add
from amocrm_fleet.airbyte_plan import cron
from source_amocrm.streams import STREAMS
from testing.guides import block
from testing.machine import pyairbyte
from testing.warehouse import ROOT

WORKSPACE, DESTINATION = "18dccc91-0ab1-4f72-9ed7-0b8fc27c5826", "744cc0ed-7f05-4949-9e60-2a814f90c035"
WHOLE = ["GET …/definitions/sources", "GET /sources", "GET /connections"]
LONG_LIVED = {"auth_type": "long_lived_token", "access_token": "token-of-north"}
OAUTH = {
    "auth_type": "oauth2.0",
    "client_id": "id",
    "client_secret": "secret-of-south",
    "redirect_uri": "https://example.com/",
    "refresh_token": "refresh-of-south",
}


class Fake:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], server: str) -> None:
        self.folder, self.server, self._capsys = folder, server, capsys

    def run(self, do: str, *options: str) -> tuple[int, list[str]]:
        """The exit code and what was said."""
        server = ["--server", f"{self.server}/api/public/v1", "--workspace", WORKSPACE, "--destination", DESTINATION]
        code = fleet_command.main(["airbyte", do, "--accounts", str(self.folder), *server, *options])
        said = self._capsys.readouterr()
        for secret in ("token-of-north", "secret-of-south", "refresh-of-south", "another-token"):
            assert secret not in said.out + said.err
        return code, (said.out + said.err).splitlines()

    def state(self, refuse: tuple[str, ...] = ()) -> dict[str, Any]:
        """What it holds, and what it was asked since the last time."""
        request = urllib.request.Request(f"{self.server}/_fake", json.dumps(refuse).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=600) as answer:
            held: dict[str, Any] = json.load(answer)
        return held

    def asked(self) -> list[str]:
        lines = [f"{method} {path}".replace("/workspaces/…", "…") for method, path in self.state()["log"]]
        return [line for line in lines if line != "POST /applications/token"]

    def things(self, kind: str) -> dict[str, dict[str, Any]]:
        return {thing["name"]: thing for thing in self.state()["things"][kind].values()}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    command = [
        str(pyairbyte() / "bin" / "python"),
        str(ROOT / "testing" / "airbyte_api_fake.py"),
        WORKSPACE,
        DESTINATION,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def airbyte(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setenv("AIRBYTE_CLIENT_ID", "id")
    monkeypatch.setenv("AIRBYTE_CLIENT_SECRET", "secret")
    folder = tmp_path / "accounts"
    add(folder, {"account_domain": "north.amocrm.ru", "credentials": LONG_LIVED})
    add(folder, {"account_domain": "south.kommo.com", "credentials": OAUTH, "start_date": "2024-01-01T00:00:00Z"})
    urllib.request.urlopen(urllib.request.Request(f"{server}/_fake/reset", method="POST"), timeout=600).close()
    return Fake(folder, capsys, server)


def test_from_nothing_to_all_and_then_nothing(airbyte: Fake) -> None:
    north, south = accounts(airbyte.folder)
    planned = [
        "+ definition amoCRM: airbyte/source-amocrm:0.1.0",
        "+ source amoCRM north: north.amocrm.ru",
        f"+ connection amoCRM north: {len(STREAMS)} tables amocrm_north_…, {cron(north, 60)}",
        "+ source amoCRM south: south.kommo.com",
        f"+ connection amoCRM south: {len(STREAMS)} tables amocrm_south_…, {cron(south, 60)}",
    ]
    assert airbyte.run("plan") == (0, [*planned, "5 changes."])
    assert airbyte.asked() == ["GET …/definitions/sources"], "a plan changes nothing"

    code, said = airbyte.run("apply")
    assert code == 0
    assert [line for line in said if line.endswith(" – done")] == [f"{line} – done" for line in planned]
    assert said[-2].startswith(f"{planned[-1]}")
    assert "  south: Airbyte renews this token from now on" in "\n".join(said)
    assert "  north: Airbyte" not in "\n".join(said)
    sources, connections = airbyte.things("sources"), airbyte.things("connections")
    assert sources["amoCRM north"]["configuration"] == north.settings()
    assert sources["amoCRM south"]["configuration"] == south.settings()
    made = connections["amoCRM north"]
    assert made["sourceId"] == sources["amoCRM north"]["sourceId"]
    assert made["prefix"] == "amocrm_north_"
    modes = {one["name"]: one["syncMode"] for one in made["configurations"]["streams"]}
    assert (modes["deals"], modes["users"]) == ("incremental_deduped_history", "full_refresh_overwrite")
    assert set(modes) == set(STREAMS)

    airbyte.asked()
    assert airbyte.run("apply") == (0, ["Nothing to change."])
    assert airbyte.asked() == WHOLE


def test_it_changes_what_has_changed_and_no_more(airbyte: Fake) -> None:
    airbyte.run("apply")
    airbyte.asked()
    add(airbyte.folder, {"account_domain": "south.kommo.com", "credentials": OAUTH}, replace=True)
    renamed = {"account_domain": "north2.amocrm.ru", "credentials": LONG_LIVED | {"access_token": "another-token"}}
    add(airbyte.folder, renamed, "north", replace=True)
    changes = [
        "~ definition amoCRM: 0.1.0 → 0.2.0",
        "~ source amoCRM north: account_domain 'north.amocrm.ru' → 'north2.amocrm.ru', a new sign-in",
        "~ connection amoCRM north: configurations",
        "~ connection amoCRM south: configurations",
    ]
    options = ("--image", "airbyte/source-amocrm:0.2.0", "--streams", "deals,users")
    assert airbyte.run("plan", *options) == (0, [*changes, "4 changes."])
    assert airbyte.run("apply", *options)[0] == 0
    assert airbyte.asked() == [
        *WHOLE, *WHOLE, "PUT …/definitions/sources/…", "PATCH /sources/…", "PATCH /connections/…",
        "PATCH /connections/…",
    ]  # fmt: skip
    assert airbyte.things("sources")["amoCRM north"]["configuration"] == renamed
    assert airbyte.run("plan", *options) == (0, ["Nothing to change."])


def test_a_token_that_airbyte_rotated_is_not_overwritten(airbyte: Fake) -> None:
    airbyte.run("apply")
    south = accounts(airbyte.folder)[1]
    add(airbyte.folder, {**south.settings(), "start_date": "2025-01-01T00:00:00Z"}, "south", replace=True)
    code, said = airbyte.run("apply")
    assert (code, said[0]) == (
        0, "~ source amoCRM south: start_date '2024-01-01T00:00:00Z' → '2025-01-01T00:00:00Z'",
    )  # fmt: skip
    (airbyte.folder / ".fleet" / "airbyte.json").unlink()
    code, said = airbyte.run("plan")
    assert said == [
        "  source amoCRM north: the sign-in is left as Airbyte has it; --send-sign-in sends ours",
        "  source amoCRM south: the sign-in is left as Airbyte has it; --send-sign-in sends ours",
        "Nothing to change.",
    ]
    code, said = airbyte.run("apply", "--send-sign-in", "--only", "south")
    assert (code, said[0]) == (0, "~ source amoCRM south: a new sign-in")


def test_one_that_is_refused_does_not_keep_the_others_back(airbyte: Fake) -> None:
    airbyte.state(refuse=("amoCRM north",))
    code, said = airbyte.run("apply")
    refused = "north: Airbyte refused POST /sources: 422 The provided configuration does not fulfil the specification."
    assert code == 1
    assert refused in said
    assert said[-1] == "Not: north."
    assert list(airbyte.things("connections")) == ["amoCRM south"]
    airbyte.state()
    assert airbyte.run("apply")[0] == 0
    assert sorted(airbyte.things("connections")) == ["amoCRM north", "amoCRM south"]


def test_the_guide_s_commands_run_as_they_stand(airbyte: Fake, tmp_path: Path) -> None:
    script = block("fleet.md", "export AIRBYTE_CLIENT_ID=") + block("fleet.md", "airbyte() {")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    script = script.replace("http://localhost:8000", airbyte.server).replace(
        "AIRBYTE_CLIENT_ID=…", "AIRBYTE_CLIENT_ID=id"
    )
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tmp_path, input="secret\n", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line in ("5 changes.", "All done.")] == [
        "5 changes.", "5 changes.", "All done.",
    ]  # fmt: skip
    assert sorted(airbyte.things("connections")) == ["amoCRM north", "amoCRM south"]


def test_more_accounts_than_a_page_has_and_one_that_has_gone(airbyte: Fake) -> None:
    for number in range(99):
        add(airbyte.folder, {"account_domain": "many.amocrm.ru", "credentials": LONG_LIVED}, f"a{number}")
    assert airbyte.run("apply", "--streams", "deals")[0] == 0
    (airbyte.folder / "north.json").unlink()
    code, said = airbyte.run("plan", "--streams", "deals")
    assert (code, said) == (
        0,
        [
            "  source amoCRM north: left alone, there is no account of that name among those chosen",
            "Nothing to change.",
        ],
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--workspace", DESTINATION),
            f"Airbyte refused GET /workspaces/{DESTINATION}/definitions/sources: 403 Forbidden. The application may "
            "not do this in that workspace.",
        ),
        (("--streams", "leads"), "There is no stream “leads”: there are deals, "),
        (("--image", "source-amocrm"), "The image source-amocrm has no tag: airbyte/source-amocrm:0.1.0."),
        (("--period", "7"), "A period is 5, 10, 15, 20, 30 or 60 minutes"),
        (("--server", "http://127.0.0.1:9"), "Airbyte cannot be reached at http://127.0.0.1:9: ConnectionError."),
    ],
)  # fmt: skip
def test_what_cannot_be_done(options: tuple[str, str], sentence: str, airbyte: Fake) -> None:
    code, [said] = airbyte.run("plan", *options)
    assert code == 2
    assert said.startswith(sentence)


def test_keys_that_are_not_set_or_wrong(airbyte: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRBYTE_CLIENT_SECRET", "wrong")
    code, [said] = airbyte.run("plan")
    assert (code, said) == (
        2,
        "Airbyte refused the sign-in (POST /applications/token): 401 Unauthorized. Look at the client id and secret of "
        "the application (your user in Airbyte → Applications).",
    )
    monkeypatch.delenv("AIRBYTE_CLIENT_SECRET")
    code, [said] = airbyte.run("plan")
    assert (code, said[:35]) == (2, "AIRBYTE_CLIENT_SECRET must be set: ")
