"""Tokens that live for 30 requests and refresh tokens that work once: nothing is lost, each sync leads to the next."""

from __future__ import annotations

import copy
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteMessage, FailureType, OrchestratorType, Type

from sandbox import NOW, OFF, Account, Lifetimes, ManualClock, Sandbox, Server, Switches, Tokens
from sandbox.http import Request, Response
from sandbox.server import oauth_credentials
from source_amocrm import source
from source_amocrm.config import parse_config
from source_amocrm.config_file import KEEP_IN
from source_amocrm.streams import STREAMS
from testing import comparison, expected
from testing.command import Outcome, run, run_process
from testing.connector import catalog, dumped, files, read_command, without_sockets
from testing.destination import Destination
from testing.forked import Forked
from testing.warehouse import unanswered

EXPIRED = "2020-01-01T00:00:00Z"
Config = dict[str, Any]


def account_of(leads: int, switches: Switches | None = None) -> Account:
    account = Account.generate(seed=5, leads=leads, now=NOW - 3600, switches=switches)
    account.clock = ManualClock()
    return account


def handed_over(messages: list[AirbyteMessage]) -> list[Config]:
    """The configs of the control messages, which alone may hold tokens."""
    configs: list[Config] = []
    for message in messages:
        if message.type == Type.CONTROL:
            assert message.control is not None
            assert message.control.type == OrchestratorType.CONNECTOR_CONFIG
            assert message.control.connectorConfig is not None
            configs.append(dict(message.control.connectorConfig.config))
    return configs


def check_exact(told: Outcome, account: Account) -> None:
    assert (told.code, told.sentences()) == (0, {})
    rows, dead = told.rows(), expected.tombstones(account)
    for name, live in expected.tables(account).items():
        assert rows[name] == comparison.by_key(name, [*live, *dead.get(name, ())]), name


@pytest.mark.parametrize("survives", [True, False], ids=["old tokens live on", "old tokens die at once"])
def test_a_full_sync_on_tokens_of_30_requests(survives: bool, tmp_path: Path) -> None:
    account = account_of(300, Switches(old_access_survives_refresh=survives, page_max=50, events_page_max=50))
    sandbox = Sandbox(account, tokens=Tokens(account, lifetimes=Lifetimes(access_requests=30)))
    first = oauth_credentials(sandbox.tokens)
    told = run(sandbox, "read", tmp_path, credentials=first)
    check_exact(told, account)
    configs = handed_over(told.messages)
    assert len(configs) == sandbox.tokens.exchanges >= 4
    destination = Destination()
    destination.take(told.messages)
    assert destination.complaints == [], "they count as no row and no state"
    used = [config["credentials"]["refresh_token"] for config in configs]
    assert len(set(used)) == len(used)

    # the last config starts the next sync, and the first one does not any more
    check_exact(run(sandbox, "read", tmp_path, credentials=configs[-1]["credentials"]), account)
    late = run(sandbox, "read", tmp_path, ["users"], credentials={**first, "token_expiry_date": EXPIRED})
    assert late.code == 1
    assert late.sentences()["users"].startswith("amoCRM no longer accepts the refresh token")
    assert late.errors()["users"].failure_type is FailureType.config_error


@pytest.mark.parametrize("verb", ["check", "read"])
def test_the_new_config_comes_before_anything_is_asked_with_it(verb: str, tmp_path: Path) -> None:
    sandbox = Sandbox(account_of(5))
    credentials = {**oauth_credentials(sandbox.tokens), "token_expiry_date": EXPIRED}
    told = run(sandbox, verb, tmp_path, ["users"], credentials=credentials)
    assert told.code == 0
    [config] = handed_over(told.messages)
    kinds = [message.type for message in told.messages if message.type not in (Type.LOG, Type.TRACE)]
    assert kinds[0] == Type.CONTROL
    assert config["credentials"].keys() == credentials.keys()
    assert sandbox.log[0].path == "/oauth2/access_token"


def test_16_threads_meet_an_expired_token() -> None:
    sandbox = Sandbox(account_of(5))
    config: Config = {"account_domain": sandbox.account.domain, "credentials": oauth_credentials(sandbox.tokens)}
    sandbox.tokens.revoke(config["credentials"]["access_token"])
    together = Barrier(16)
    with without_sockets(sandbox):
        api = source.open_api(parse_config(config), config)  # type: ignore[attr-defined]

    def ask(_: int) -> Any:
        together.wait()
        return (api.get("/api/v4/account").body or {})["id"]

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(16))) == {sandbox.account.id}
    assert sandbox.tokens.exchanges == 1


def test_a_process_killed_right_after_the_exchange(tmp_path: Path) -> None:
    """What it printed is enough to go on, and there is no other way to go on."""
    with Server(Account.generate(leads=5), rate=OFF) as server:
        credentials = {**oauth_credentials(server.tokens), "token_expiry_date": EXPIRED}
        before = {**server.config(), "credentials": credentials}
        asked = catalog([name for name in STREAMS if name not in ("note_types", "element_types")])
        arguments = read_command(server, tmp_path, streams=asked, credentials=credentials)
        printed: list[Config] = []
        with unanswered(server, "/users$"):
            process = Forked(arguments, {}, stderr_apart=True)
            for line in process.stdout:
                message = json.loads(line)
                assert message["type"] != "RECORD"
                if message["type"] == "CONTROL":
                    printed.append(message["control"]["connectorConfig"]["config"])
                    process.send_signal(signal.SIGKILL)
                    break
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert server.tokens.exchanges == 1

        streams = dumped(catalog(["deals", "users"]))
        told = run_process(["read", *files(tmp_path, config=printed[0], catalog=streams)])
        assert (told.code, told.sentences()) == (0, {})
        assert len(told.rows()["deals"]) >= 5

        lost = run_process(["read", *files(tmp_path, config=copy.deepcopy(before), catalog=streams)])
        assert lost.code == 1
        assert set(lost.sentences()) == {"deals", "users"}
        assert "no longer accepts the refresh token" in " ".join(lost.sentences().values()), "whole once"


class SlowTokens(Tokens):
    """The answer to an exchange comes late; `spent` tells that the old token is void."""

    late = 1.0

    def exchange(self, request: Request) -> Response:
        answer = super().exchange(request)
        self.spent.set()
        time.sleep(self.late)
        return answer

    @cached_property
    def spent(self) -> Event:
        return Event()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_an_exchange_waits_for_the_hand_over(number: int, tmp_path: Path) -> None:
    account = account_of(5)
    tokens = SlowTokens(account)
    with Server(account, tokens=tokens) as server:
        credentials = {**oauth_credentials(server.tokens), "token_expiry_date": EXPIRED}
        path = tmp_path / "kept.json"
        path.write_text(json.dumps({**server.config(), "credentials": credentials}))
        command = ["read", "--config", str(path)]
        command += files(tmp_path, catalog=dumped(catalog(["deals", "users"])))
        process = Forked(command, {KEEP_IN: str(path)}, stderr_apart=True)
        assert tokens.spent.wait(600)
        process.send_signal(number)
        said, _ = process.communicate(timeout=600)
        assert process.returncode == -number
        kept = json.loads(path.read_text())["credentials"]
        assert kept["refresh_token"] != credentials["refresh_token"]
        assert kept["refresh_token"] in said
        assert tokens.is_good(kept["refresh_token"])


def test_a_sync_that_ends_during_an_exchange_waits_for_the_hand_over(tmp_path: Path) -> None:
    """The reader goes while a token is exchanged: the process ends, but not before the new token is in the file."""
    account = account_of(5)
    tokens = SlowTokens(account)
    with Server(account, tokens=tokens) as server:
        credentials = {**oauth_credentials(server.tokens), "token_expiry_date": EXPIRED}
        path = tmp_path / "kept.json"
        path.write_text(json.dumps({**server.config(), "credentials": credentials}))
        command = ["read", "--config", str(path)]
        command += files(tmp_path, catalog=dumped(catalog(["deals", "users"])))
        process = Forked(command, {KEEP_IN: str(path)}, stderr_apart=True)
        assert tokens.spent.wait(600)
        process.stdout.close()
        assert process.wait(600) == 128 + signal.SIGPIPE
        kept = json.loads(path.read_text())["credentials"]
        assert tokens.is_good(kept["refresh_token"])
