"""`source-amocrm fleet` on accounts that rotate their tokens: each is told of by its name, and no token is lost."""

from __future__ import annotations

import json
import re
import shlex
import stat
from pathlib import Path
from typing import Any

import duckdb

from amocrm_fleet.accounts_folder import FleetAccount as Config
from amocrm_fleet.accounts_folder import add
from amocrm_fleet.fleet_command import parser
from amocrm_fleet.status import status_of
from sandbox import OFF, Account, Server
from sandbox.server import oauth_credentials
from source_amocrm.config_file import KEEP_IN
from testing import forked
from testing.connector import catalog, read_command
from testing.forked import Forked
from testing.guides import blocks
from testing.leaks import clean, leaks

EXPIRED = "2020-01-01T00:00:00Z"


def settings(server: Server, **credentials: Any) -> dict[str, Any]:
    """Without a pace, which has tests of its own."""
    return {
        **server.config(),
        "requests_per_second": 50,
        "credentials": {**oauth_credentials(server.tokens), **credentials},
    }


def fleet(verb: str, folder: Path, *arguments: str, **environment: str) -> tuple[int, list[str], str]:
    done = forked.run(["fleet", verb, "--accounts", folder, *arguments], environment, cwd=folder.parent)
    return done.returncode, clean(done.stdout).splitlines(), clean(done.stderr)


def test_check_tells_of_each_account_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "accounts"
    with Server(Account.generate(leads=5), rate=OFF) as north, Server(Account.generate(leads=5), rate=OFF) as south:
        add(folder, settings(north, token_expiry_date=EXPIRED), "north")
        revoked = add(folder, settings(south, token_expiry_date=EXPIRED, refresh_token="spent"), "south")
        open_to_all = add(folder, settings(north), "west")
        open_to_all.path.chmod(0o644)
        code, lines, complaints = fleet("check", folder, "--parallel", "3")
        assert (code, complaints.splitlines()[0]) == (1, "0 of 3 done; starting")
        told = {name: [line for line in lines if line.startswith(f"{name}: ")] for name in ("north", "south", "west")}
        assert told["north"][0].startswith("north: The account “ООО «Северный ветер»” (example.amocrm.ru) can be read")
        assert told["south"][0].startswith("south: amoCRM no longer accepts the refresh token")
        again = (
            f"Grant access again: `source-amocrm connect --config {revoked.path}`, or send the account's administrator "
            "a new link (`source-amocrm invite`)."
        )
        assert again in told["south"][0]
        assert "Airbyte" not in told["south"][0]
        path = open_to_all.path
        private = f"Others could read the config {path} and its token; now its owner alone can (mode 600)."
        assert f"west: {private}" in told["west"]
        assert (stat.S_IMODE(path.stat().st_mode), lines[-1]) == (0o600, "2 of 3 accounts can be read. Not: south.")
        assert north.tokens.exchanges == 1
        assert revoked.settings()["credentials"]["refresh_token"] == "spent"
        # the token that the check rotated starts the next one
        kept = Config(folder / "north.json")
        kept.keep(kept.settings(), settings_expired(kept))
        assert fleet("check", folder, "--only", "north")[0] == 0
        assert north.tokens.exchanges == 2


def test_the_guide_types_what_the_command_knows() -> None:
    page = "\n".join(block.text for block in blocks("bash") if block.page == "fleet.md").replace("\\\n", "")
    typed = [shlex.split(line.split(" fleet ")[1]) for line in page.splitlines() if "source-amocrm fleet" in line]
    commands = [parser().parse_args(words) for words in typed]
    assert [command.run.__name__ for command in commands] == [
        "_check",
        "_sync",
        "_status",
        "_sync",
        "_sync",
        "_verify",
        "_publish",
        "_remove",
        "_dagster",
    ]
    assert {command.accounts for command in commands} == {Path("accounts")}


def settings_expired(account: Config) -> dict[str, Any]:
    held = account.settings()
    return {**held, "credentials": {**held["credentials"], "token_expiry_date": EXPIRED}}


def test_the_file_has_the_new_token_before_the_platform_and_before_any_request(tmp_path: Path) -> None:
    with Server(Account.generate(leads=5), rate=OFF) as server:
        account = add(tmp_path / "accounts", settings(server, token_expiry_date=EXPIRED), "north")
        asked = read_command(
            server, tmp_path, streams=catalog(["users"]), credentials=account.settings()["credentials"]
        )
        process = Forked(asked, {KEEP_IN: str(account.path)}, stderr_apart=True)
        for line in process.stdout:
            message = json.loads(line)
            if message["type"] == "CONTROL":
                process.kill()
                break
        process.communicate()
        told = message["control"]["connectorConfig"]["config"]
        assert server.tokens.exchanges == 1
        assert account.settings()["credentials"] == told["credentials"]


def test_sync_keeps_what_is_rotated_beside_a_config_of_references(tmp_path: Path) -> None:
    folder = tmp_path / "accounts"
    with Server(Account.generate(leads=5), rate=OFF) as server:
        given = settings(server, token_expiry_date=EXPIRED)
        (tmp_path / "refresh").write_text(f"{given['credentials']['refresh_token']}\n")
        secret = given["credentials"].pop("client_secret")
        given["credentials"].update(
            client_secret={"env": "NORTH_SECRET"}, refresh_token={"file": str(tmp_path / "refresh")}
        )
        account = add(folder, given, "north-east")
        before = account.path.read_bytes()
        code, lines, complaints = fleet("sync", folder, "--streams", "users,pipelines", NORTH_SECRET=secret)
        assert (code, complaints.splitlines()[0]) == (0, "0 of 1 done; starting")
        rows = len(server.account.users) + len(server.account.pipelines)
        assert re.fullmatch(rf"north-east: {rows} rows in \d+\.\d s\.", lines[0])
        assert lines[1:] == ["", "1 of 1 accounts are up to date."]
        assert server.tokens.exchanges == 1
        assert account.path.read_bytes() == before
        rotated = json.loads(account.rotated.read_text())["settings"]["credentials"]
        assert set(rotated) == {"access_token", "refresh_token", "token_expiry_date"}
        users = len(server.account.users)
    file = tmp_path / "amocrm-north-east.duckdb"
    assert file.stat().st_mode & 0o777 == 0o600
    with duckdb.connect(str(file), read_only=True) as database:
        assert database.execute("SELECT count(*) FROM amocrm.amocrm_north_east_users").fetchall() == [(users,)]
    code, lines, _ = fleet("status", folder)
    assert (code, lines[1].split()[:2]) == (0, ["north-east", "synced"])
    assert leaks((folder / ".fleet" / "logs" / "north-east.log").read_text()) == []


def test_a_revoked_account_is_told_in_one_cause_and_a_lasting_one(tmp_path: Path) -> None:
    folder = tmp_path / "accounts"
    with Server(Account.generate(leads=5), rate=OFF) as server:
        account = add(folder, settings(server, token_expiry_date=EXPIRED, refresh_token="spent"), "north")
        code, lines, _ = fleet("sync", folder)
        assert code == 1
        assert "amoCRM no longer accepts the refresh token" in lines[0], "and no line of rows that are built in"
        assert lines[-1] == "0 of 1 accounts are up to date. Not: north."
    status = status_of(account)
    assert (status.last.rows, status.last.lasting, len(status.last.failures)) == (0, True, 1)
    _, lines, _ = fleet("status", folder)
    assert lines[1].split(None, 4)[:2] == ["north", "failed"]
    assert len(lines) == 2


def test_a_config_that_does_not_fit_the_account_fails_for_good(tmp_path: Path) -> None:
    folder = tmp_path / "accounts"
    with Server(Account.generate(leads=5), rate=OFF) as server:
        wrong = {"personal_data": "drop", "personal_fields": ["Нет такого"]}
        account = add(folder, {**settings(server), **wrong}, "north")
        code, _, _ = fleet("sync", folder)
    last = status_of(account).last
    assert (code, last.rows, last.lasting) == (1, 0, True)
    [said] = last.failures
    assert said.startswith("personal_fields lists “Нет такого”, and the account has no custom field")
