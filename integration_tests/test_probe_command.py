"""`source-amocrm probe` typed by a person: a page, a file that may be published, and every failure a sentence."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amocrm_probe import probe_command
from amocrm_probe.probe_page import WHERE, page
from amocrm_probe.questions import QUESTIONS
from sandbox import OFF, Account, Fault, Faults, Sandbox, Server, Switches
from sandbox.server import oauth_credentials
from testing import forked
from testing.connector import config as settings
from testing.connector import without_sockets
from testing.leaks import clean
from testing.probed import probed
from testing.terminal import TerminalOutput, forked_on_a_terminal


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Account.generate(leads=20), rate=OFF) as running:
        yield running


def typed(folder: Path, config: Any, *more: str | Path) -> TerminalOutput:
    path = folder / "config.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
    return forked_on_a_terminal(["probe", "--config", path, *more], folder)


def fast(server: Server) -> dict[str, Any]:
    return {**server.config(), "requests_per_second": 50}


def test_a_page_a_file_and_progress(server: Server, tmp_path: Path) -> None:
    already = len(server.sandbox.log)
    seen = typed(tmp_path, fast(server), "--output", tmp_path / "found" / "here")
    assert seen.code == 0, seen.text
    written = tmp_path / "found" / "here" / "probe.json"
    found = json.loads(written.read_text(encoding="utf-8"))
    assert seen.stays[-4:-1] == [*page(QUESTIONS, found).splitlines()[-1:], "", f"Written to {written}."]
    assert page(QUESTIONS, found).split("\n") == seen.stays[: seen.stays.index(WHERE) + 1]
    assert re.search(r"\r\d+/200  Whether the filter of the list works", seen.text)
    asked = server.sandbox.log[already:]
    assert {request.method for request in asked} == {"GET"}
    assert len(asked) == found["requests"]
    assert not (tmp_path / "probe.json").exists()


def test_piped_it_says_the_page_alone_and_keeps_a_token_that_was_rotated(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with Server(Account.generate(leads=5), rate=OFF) as running:
        credentials = {**oauth_credentials(running.sandbox.tokens), "token_expiry_date": "2020-01-01T00:00:00Z"}
        path.write_text(json.dumps({**fast(running), "credentials": credentials}), encoding="utf-8")
        done = forked.run(["probe", "--config", path], cwd=tmp_path)
    kept = json.loads(path.read_text(encoding="utf-8"))["credentials"]
    assert kept["refresh_token"] != credentials["refresh_token"]
    found = json.loads((tmp_path / "probe.json").read_text(encoding="utf-8"))
    assert (done.returncode, done.stdout, done.stderr) == (
        0, f"{page(QUESTIONS, found)}\n\nWritten to probe.json.\n", "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("{", "The config file {} is not a JSON object with the source's settings (line 1)."),
        ({"account_domain": "https://example.evil.com/", "credentials": {}}, "Account address (account_domain):"),
        ({"credentials": {"auth_type": "long_lived_token", "access_token": "nonsense"}}, "amoCRM does not accept the"),
    ],
)
def test_a_failure_is_one_sentence(config: Any, sentence: str, server: Server, tmp_path: Path) -> None:
    seen = typed(tmp_path, config if isinstance(config, str) else fast(server) | config)
    assert seen.code == 1
    told = [line for line in seen.stays if line]
    assert len(told) == 1
    assert told[0].startswith(sentence.format(tmp_path / "config.json"))
    assert not (tmp_path / "probe.json").exists()


def test_a_folder_that_cannot_be_written_costs_no_request(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    already = len(server.sandbox.log)
    seen = typed(tmp_path, fast(server), "--output", tmp_path / "file")
    assert seen.code == 1
    assert seen.text == f"{tmp_path / 'file' / 'probe.json'} cannot be written. Name another folder with --output.\n"
    assert len(server.sandbox.log) == already


def in_process(
    sandbox: Sandbox, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    """The exit code, what was said, and what is in the file."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    path = folder / "config.json"
    path.write_text(json.dumps(settings(sandbox)), encoding="utf-8")
    with without_sockets(sandbox):
        code = probe_command.main(["--config", str(path), "--output", str(folder)])
    out, err = capsys.readouterr()
    return code, clean(out + err), clean((folder / "probe.json").read_text(encoding="utf-8"))


def test_where_amocrm_stops_answering_what_was_found_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(Fault("403_nginx", "/api/v4/events", times=None))
    code, said, written = in_process(Sandbox(Account.generate(leads=60), faults=faults), tmp_path, capsys, monkeypatch)
    assert code == 1
    assert said.rstrip().rpartition("\n")[2].startswith("amoCRM blocks this connector")
    answers = json.loads(written)["answers"]
    assert answers["minor_units"]["leads"]["answer"] == "given"
    assert answers["trash"]["account"] == {"answer": None, "why": "amoCRM gave no usable answer"}


def test_a_refusal_for_haste_is_told_with_what_it_says() -> None:
    faults = Faults(Fault("429_header", "/api/v4/tasks", nth=(1,)))
    found = probed(Sandbox(Account.generate(leads=20), faults=faults)).found()
    assert found["answers"]["throttled"]["account"] == {
        "answer": "with_retry_after",
        "seen": {"answers": 1, "waits": 1},
    }


PLAIN = re.compile(r"[^\W\d_]{1,12}")
"""A word, as it may stand in any sentence."""


def personal(value: Any, key: str = "") -> Iterator[str]:
    """The texts and ids of what an account holds, without the words of amoCRM's own."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from personal(part, str(name))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from personal(part, key)
    elif isinstance(value, str) and key in (
        "name",
        "text",
        "value",
        "phone",
        "email",
        "link",
        "uniq",
        "uuid",
        "first_name",
    ):
        if len(value) > 3 and not (value.isascii() and PLAIN.fullmatch(value)):
            yield value
    elif isinstance(value, int) and value > 99_999:
        yield str(value)


@pytest.mark.parametrize("seed", range(2))
def test_nothing_of_a_whole_account_is_told(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = Switches(ties="shuffled") if seed else Switches()
    account = Account.generate(seed=seed + 3, leads=260, switches=switches)
    account.name, account.subdomain = "A \x1b[2Jname\n", "xn--very-own"
    account.raw["leads", next(iter(account.tables["leads"].rows))] = json.dumps(
        {"id": "x", "+79161234567": {"Иван": 1}, "31450001": [], "petrova": "token", "updated_at": [], "_embedded": []}
    ).encode()
    code, said, written = in_process(Sandbox(account), tmp_path, capsys, monkeypatch)
    assert code == 0
    rows = [row for table in account.tables.values() for row in table]
    secrets = set(personal([rows, list(account.users.values()), account.fields, account.tag_list, account.files]))
    secrets |= {"xn--very-own", "\x1b", "79161234567", "Иван", "petrova", str(account.id)}
    assert len(secrets) > 2_000
    assert [secret for secret in secrets if secret in written or secret in said] == []
