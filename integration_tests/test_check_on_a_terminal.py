"""`source-amocrm check` typed by a person: sentences, no JSON, and an exit code that says whether to go on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import Status

from benchmarks.floor import fewest_pages
from sandbox import OFF, Account, Server, Switches
from sandbox.server import oauth_credentials
from source_amocrm import entrypoint
from source_amocrm.errors import ConfigError
from source_amocrm.streams import STREAMS
from testing.command import run_process
from testing.forked import run
from testing.terminal import TerminalOutput, forked_on_a_terminal

DOMAIN = "example.amocrm.ru"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Account.generate(leads=20), rate=OFF) as running:
        yield running


@dataclass(frozen=True)
class Person:
    path: Path

    def write(self, config: Any) -> None:
        """With the fastest pace: it is no matter of what is said."""
        text = config if isinstance(config, str) else json.dumps({"requests_per_second": 50, **config})
        self.path.write_text(text, encoding="utf-8")

    def checks(self) -> TerminalOutput:
        return forked_on_a_terminal(["check", "--config", self.path])


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path / "config.json")


def test_how_long_a_first_sync_takes_is_said_from_few_questions(person: Person) -> None:
    """The pages of all lists, within a tenth; nobody need be at a terminal."""
    with Server(Account.generate(leads=150), rate=OFF) as server:
        person.write(server.config())
        done = run(["check", "--config", person.path, "--estimate"])
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()[-1]
    found = re.fullmatch(
        r"A first sync of all tables takes about (\d+) requests, which is 10 s at 50 requests a second\. "
        r"The longest lists \(pages\): events (\d+), [a-z/_]+ \d+, [a-z/_]+ \d+\.",
        said,
    )
    assert found, said
    pages = fewest_pages(server.account, tuple(STREAMS))
    assert int(found[1]) == pytest.approx(pages, rel=0.1)
    assert int(found[2]) == pytest.approx(len(server.account.events) / 100, abs=1)
    assert len(server.sandbox.log) < 300
    # one account with one rate limit, so that the questions do not begin while the second of the check goes on
    assert [seen.path for seen in server.sandbox.log].count("/api/v4/account") == 1


def test_an_account_that_can_be_read(server: Server, person: Person) -> None:
    """Customers are led by segments or by expected purchases: every account has a table of theirs that is empty."""
    person.write(server.config())
    seen = person.checks()
    assert seen.code == 0
    assert re.sub(r" \[X-Request-Id [^]]*\]", "", seen.raw) == (
        f"The account “{server.account.name}” ({DOMAIN}) can be read, but:\r\n"
        "- Empty: customer_statuses. amoCRM says that the account has switched off /api/v4/customers/statuses "
        "(Periodicity is disabled in the account, Unprocessable Entity), so there is nothing to read. Switch that part "
        "of amoCRM on, or leave its table out.\r\n"
    )


def without_ids(said: str) -> str:
    """Each request has its own."""
    return re.sub(r"sandbox-\d+", "…", said)


def test_what_will_be_missing_and_why(person: Person) -> None:
    account = Account.generate(leads=5)
    account.switches = Switches(forbidden=frozenset({"webhooks"}))
    account.name = "A \x1b[2Jname\n"
    with Server(account, rate=OFF) as running:
        person.write(running.config())
        piped = run_process(["check", "--config", str(person.path)])
        [status] = [message.connectionStatus for message in piped.messages if message.connectionStatus]
        seen = person.checks()
    assert status.message
    assert status.message.startswith("Not available: webhooks. ")
    told = "\n".join(f"- {note}" for note in status.message.split("\n"))
    assert seen.code == 0
    assert without_ids(seen.raw) == without_ids(
        f"The account “A [2Jname” ({DOMAIN}) can be read, but:\n{told}\n".replace("\n", "\r\n")
    )


@pytest.mark.parametrize(
    ("config", "code", "sentence"),
    [
        ("{", 1, "The config file config.json is not a JSON object with the source's settings (line 1)."),
        ({"account_domain": "https://example.evil.com/", "credentials": {}}, 0, "Account address (account_domain):"),
    ],
)
def test_a_config_that_cannot_work_is_one_sentence(
    config: Any, code: int, sentence: str, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.write(config)
    monkeypatch.chdir(person.path.parent)
    seen = forked_on_a_terminal(["check", "--config", "config.json"])
    piped = run_process(["check", "--config", "config.json"])
    assert (seen.code, piped.code) == (1, code)
    assert seen.text.startswith(sentence)
    assert seen.text.count("\n") == 1
    assert "{" not in seen.text


def test_a_token_that_is_refused_is_one_sentence(server: Server, person: Person) -> None:
    credentials = {"auth_type": "long_lived_token", "access_token": "nonsense"}
    person.write({**server.config(), "credentials": credentials})
    seen = person.checks()
    piped = run_process(["check", "--config", str(person.path)])
    [status] = [message.connectionStatus for message in piped.messages if message.connectionStatus]
    assert status.status is Status.FAILED
    assert (seen.code, piped.code) == (1, 0)
    assert without_ids(seen.text) == without_ids(f"{status.message}\n")


def test_a_token_that_was_rotated_is_kept_in_the_config(person: Person) -> None:
    with Server(Account.generate(leads=5), rate=OFF) as running:
        tokens = running.sandbox.tokens
        credentials = {**oauth_credentials(tokens), "token_expiry_date": "2020-01-01T00:00:00Z"}
        person.write({**running.config(), "credentials": credentials, "start_date": "2024-01-31T00:00:00Z"})
        assert f"({DOMAIN}) can be read" in person.checks().text
        kept = json.loads(person.path.read_text(encoding="utf-8"))
        assert kept["start_date"] == "2024-01-31T00:00:00Z"
        assert kept["credentials"]["refresh_token"] != credentials["refresh_token"]
        assert person.path.stat().st_mode & 0o777 == 0o600
        assert f"({DOMAIN}) can be read" in person.checks().text
        assert tokens.exchanges == 1


def test_a_token_that_cannot_be_kept_is_not_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"credentials": {"refresh_token": "the last one"}}), encoding="utf-8")
    keeper = entrypoint.keeper(path)
    path.unlink()
    path.mkdir()
    config = {"credentials": {"refresh_token": "the next one"}}
    said = f"amoCRM gave a new refresh token, the old one is void, and {path} could not be written: .*Is a directory"
    with pytest.raises(ConfigError, match=said):
        keeper(config)
    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["control"]["connectorConfig"]["config"] == config


def test_other_commands_speak_to_the_platform_on_a_terminal_too(server: Server, person: Person) -> None:
    person.write(server.config())
    seen = forked_on_a_terminal(["discover", "--config", person.path])
    assert [json.loads(line)["type"] for line in seen.text.splitlines()][-1] == "CATALOG"
    assert seen.code == 0
