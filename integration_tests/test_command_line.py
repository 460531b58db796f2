"""The console script given what it cannot use, stopped, or left without a reader: a sentence, an exit code, an end."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_cdk.models import FailureType, Level, Status, Type

from sandbox import OFF, Account, Server
from sandbox.credentials import MARK
from testing import forked
from testing.command import run_in_process, run_process
from testing.connector import COMMAND, read_command
from testing.forked import Forked
from testing.leaks import clean

PATIENCE = 600.0
"""Seconds until a process counts as one that does not end."""
CONFIG = {
    "account_domain": "example.amocrm.ru",
    "credentials": {"auth_type": "long_lived_token", "access_token": f"{MARK}-token"},
}
DEALS = {"name": "deals", "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]}


def selected(*names: str, mode: str = "full_refresh") -> str:
    streams = [
        {"stream": {**DEALS, "name": name}, "sync_mode": mode, "destination_sync_mode": "append"} for name in names
    ]
    return json.dumps({"streams": streams})


def state(**content: Any) -> str:
    return json.dumps([{"type": "STREAM", "stream": {"stream_descriptor": {"name": "deals"}, "stream_state": content}}])


NO_CONFIG = "The config file config.json is not a JSON object with the source's settings."
NO_CATALOG = "The catalog file catalog.json is not a configured Airbyte catalog in JSON."
NO_STATE = "The state file state.json is not a JSON list of Airbyte state messages, one a stream."
OTHER_DOMAIN = {**CONFIG, "account_domain": "https://example.evil.com/"}
UNUSABLE: dict[str, tuple[str, dict[str, str], str]] = {
    # the command, its files, and the beginning of the sentence
    "no such file": ("check --config config.json", {}, "The config file config.json cannot be read: No such file"),
    "a folder": ("check --config .", {}, "The config file . cannot be read: Is a directory."),
    "no JSON": ("check --config config.json", {"config": f"\n{{'{MARK}'"}, NO_CONFIG[:-1] + " (line 2). Nothing was"),
    "an array": ("discover --config config.json", {"config": json.dumps([CONFIG])}, NO_CONFIG),
    "catalog without JSON": ("read", {"catalog": "streams:"}, NO_CATALOG[:-1] + " (line 1)."),
    "catalog with an unknown mode": ("read", {"catalog": selected("deals", mode="sometimes")}, NO_CATALOG),
    "catalog with an unknown stream": (
        "read",
        {"catalog": selected("deals", "leads")},
        "The connection asks for a stream “leads”, which this source does not have.",
    ),
    "catalog with a stream twice": ("read", {"catalog": selected("deals", "deals")}, "The catalog selects deals more"),
    "the output of discover": (
        "read",
        {"catalog": '{"type": "CATALOG", "catalog": {"streams": []}}'},
        f"{NO_CATALOG} Nothing was read; mend the file and run again. It is what `discover` prints, with a sync mode",
    ),
    "catalog with no stream": ("read", {"catalog": selected()}, "The catalog selects no stream, so there is nothing"),
    "state without JSON": ("read", {"state": "{"}, NO_STATE[:-1] + " (line 1)."),
    "state of all streams together": (
        "read",
        {"state": '[{"type": "GLOBAL", "global": {"stream_states": [], "shared_state": {}}}]'},
        "The saved state is not one of single streams (type STREAM), so it is not known what was delivered before.",
    ),
    "state of another kind": ("read", {"state": '{"deals": {}}'}, NO_STATE),
    "state that says nothing": (
        "read",
        {"state": state(updated_at="whenever"), "catalog": selected("deals", mode="incremental")},
        "The saved state of the stream deals cannot be read",
    ),
    "another domain": ("read", {"config": json.dumps(OTHER_DOMAIN)}, "Account address (account_domain):"),
}

AS_A_PROCESS = ("no such file", "state of another kind")


@pytest.mark.parametrize("what", UNUSABLE)
def test_what_cannot_be_used_is_told_in_a_sentence(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command, files, sentence = UNUSABLE[what]
    if command == "read":
        command = "read --config config.json --catalog catalog.json" + (
            " --state state.json" if "state" in files else ""
        )
        files = {"config": json.dumps(CONFIG), "catalog": selected("deals"), **files}
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(content, encoding="utf-8")
    told = (run_process if what in AS_A_PROCESS else run_in_process)(command.split())
    assert told.code == 1
    assert told.sentences().keys() == {None}
    assert told.sentences()[None].startswith(sentence)
    assert told.errors()[None].failure_type is FailureType.config_error


def test_help_names_every_command() -> None:
    told = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert [
        name for name in ("spec", "check", "discover", "read", "connect") if f"source-amocrm {name} " not in told.stdout
    ] == []
    assert "  source-amocrm --version\n" in told.stdout


def test_the_version_is_the_one_of_the_image() -> None:
    metadata = yaml.safe_load((Path(__file__).parents[1] / "metadata.yaml").read_text(encoding="utf-8"))
    told = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == f"source-amocrm {metadata['data']['dockerImageTag']}\n"


def test_a_config_with_the_mark_of_windows_is_read(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**server.config(), "requests_per_second": 50}), encoding="utf-8-sig")
    told = run_in_process(["check", "--config", str(path)])
    assert [message.connectionStatus.status for message in told.messages if message.connectionStatus] == [
        Status.SUCCEEDED
    ]


def test_a_config_that_cannot_work_fails_the_check(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(OTHER_DOMAIN), encoding="utf-8")
    told = run_in_process(["check", "--config", str(path)])
    [status] = [message.connectionStatus for message in told.messages if message.type == Type.CONNECTION_STATUS]
    assert status is not None
    assert (told.code, status.status) == (0, Status.FAILED)
    assert str(status.message).startswith("Account address (account_domain):")


def test_a_token_that_ends_soon_is_told_of_in_time(server: Server, tmp_path: Path) -> None:
    token = server.sandbox.tokens.long_lived(days=3)
    credentials = {"auth_type": "long_lived_token", "access_token": token}
    config = {**server.config(), "requests_per_second": 50, "credentials": credentials}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    warning = "The long-lived token expires on "
    told = run_in_process(["check", "--config", str(path)])
    [status] = [message.connectionStatus for message in told.messages if message.type == Type.CONNECTION_STATUS]
    assert status is not None
    assert status.status == Status.SUCCEEDED
    assert str(status.message).startswith(warning)
    (tmp_path / "catalog.json").write_text(selected("account"), encoding="utf-8")
    told = run_process(["read", "--config", str(path), "--catalog", str(tmp_path / "catalog.json")])
    logs = [message.log for message in told.messages if message.log]
    assert [log.level for log in logs if log.message.startswith(warning)] == [Level.WARN]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "source-amocrm reads an amoCRM or Kommo account into your own database, and for Airbyte."),
        (["sink"], "There is no command `sink`. `source-amocrm --help` shows them all."),
        (["read", "--config", "config.json"], "the following arguments are required: --catalog"),
        (["read", "--debug", "--config", "c", "--catalog", "c"], "unrecognized arguments: --debug"),
    ],
)
def test_a_wrong_command_shows_the_usage(arguments: list[str], said: str) -> None:
    told = run_process(arguments)
    assert told.code == 2
    assert said in told.said
    assert "Traceback" not in told.said


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("spec", []),
        ("check", ["config", "estimate"]),
        ("discover", ["config"]),
        ("read", ["catalog", "config", "state"]),
    ],
)
def test_help_shows_our_options_alone(command: str, options: list[str]) -> None:
    told = forked.run([command, "--help"], {})
    assert told.returncode == 0
    assert sorted(set(re.findall(r"--(\w[\w-]*)", told.stdout)) - {"help"}) == options


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Account.generate(leads=400), rate=OFF, latency=(0.1, 0.2)) as running:
        yield running


def start(server: Server, folder: Path) -> Forked:
    """A read in which something has been printed, and much is still to come."""
    process = Forked(read_command(server, folder), {}, stderr_apart=True)
    assert process.stdout.readline()
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(server: Server, tmp_path: Path, number: signal.Signals) -> None:
    process = start(server, tmp_path)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (-number, "")
    assert "Traceback" not in out
    clean(out)


def test_a_term_signal_ends_it_when_nobody_reads(server: Server, tmp_path: Path) -> None:
    """The pipe is full, so that whatever is still to be printed can never be."""
    process = start(server, tmp_path)
    before = -1
    while before != len(server.log):  # until it has stopped to ask, for it cannot print
        before = len(server.log)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == -signal.SIGTERM
    process.communicate()


def test_a_closed_stdout_ends_it(server: Server, tmp_path: Path) -> None:
    process = start(server, tmp_path)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(PATIENCE) == 128 + signal.SIGPIPE


UNWRITABLE = (
    "What source-amocrm has to say cannot be written: {}. It ends here; make room, or open stdout, and run it again.\n"
)
NO_ROOM = "No space left on device"


def ended(arguments: list[str], stdout: str, folder: Path) -> tuple[int, str]:
    """The exit code of the command, and what it says on stderr, with its stdout redirected as a shell says it."""
    line = f'exec "$0" "$@" >{stdout}'
    done = subprocess.run(
        ["sh", "-c", line, str(COMMAND), *arguments], stderr=subprocess.PIPE, text=True, timeout=PATIENCE, cwd=folder
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(("stdout", "reason"), [("/dev/full", NO_ROOM), ("&-", "stdout is closed")])
@pytest.mark.parametrize("verb", ["spec", "check", "discover", "read"])
def test_what_cannot_be_written_ends_it_at_once(
    server: Server, tmp_path: Path, verb: str, stdout: str, reason: str
) -> None:
    command = read_command(server, tmp_path)[1:]
    arguments = {"spec": [], "read": command}.get(verb, command[:2])
    assert ended([verb, *arguments], stdout, tmp_path) == (1, UNWRITABLE.format(reason))


def test_a_disk_that_fills_up_in_the_middle_of_a_read_ends_it(server: Server, tmp_path: Path) -> None:
    """A file that may not grow beyond some blocks is like a disk that is full."""
    command = shlex.join([str(COMMAND), *read_command(server, tmp_path)])
    line = f"ulimit -f 64; trap '' XFSZ; exec {command} >{tmp_path}/out"
    done = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (1, UNWRITABLE.format("File too large"))
    assert (tmp_path / "out").stat().st_size >= 64 * 512


@pytest.mark.parametrize("verb", ["spec", "read", "--help"])
def test_a_slow_reader_gets_all_of_it_through_a_pipe_that_does_not_block(
    server: Server, tmp_path: Path, verb: str
) -> None:
    arguments = read_command(server, tmp_path) if verb == "read" else [verb]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filled = os.write(writing, b" " * 10_000_000)
    with (
        open(reading, "rb") as out,
        subprocess.Popen([COMMAND, *arguments], stdout=writing, stderr=subprocess.PIPE) as process,
    ):
        os.close(writing)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        lines = out.read()[filled:].decode().splitlines()
        assert (process.wait(PATIENCE), process.stderr and process.stderr.read()) == (0, b"")
    if verb == "--help":
        assert lines[-1] == "Each with --help for more."
    else:
        messages = [json.loads(line) for line in lines]
        assert sum(one["type"] == "SPEC" for one in messages) == (verb == "spec")
        deals = (one["record"]["data"] for one in messages if one.get("record", {}).get("stream") == "deals")
        live = {deal["lead_id"] for deal in deals if not deal["is_deleted"]}
        assert live == ({row["id"] for row in server.account.tables["leads"]} if verb == "read" else set())


def test_a_reader_that_was_never_there_ends_it(tmp_path: Path) -> None:
    """It is the log's first line that meets nobody."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as nobody:
        done = subprocess.run([COMMAND, "spec"], stdout=nobody, stderr=subprocess.PIPE, timeout=PATIENCE, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        ("raed", "There is no command `raed`. Did you mean `source-amocrm read`?"),
        ("conect", "There is no command `conect`. Did you mean `source-amocrm connect`?"),
        ("x\x1b[31m", "There is no command `x[31m`."),
    ],
)
def test_an_unknown_command_names_the_nearest(verb: str, sentence: str) -> None:
    done = forked.run([verb])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{sentence} `source-amocrm --help` shows them all.\n"


def test_the_catalog_is_what_read_wants(tmp_path: Path) -> None:
    with Server(Account.generate(seed=2, leads=3), rate=OFF) as server:
        config, catalog = tmp_path / "config.json", tmp_path / "catalog.json"
        config.write_text(json.dumps(server.config()), encoding="utf-8")
        asked = ["catalog", "--config", str(config), "--streams", "deals, users"]
        done = forked.run(asked)
        modes = {
            one["stream"]["name"]: (one["sync_mode"], one["destination_sync_mode"])
            for one in json.loads(done.stdout)["streams"]
        }
        assert modes == {"deals": ("incremental", "append_dedup"), "users": ("full_refresh", "overwrite")}
        catalog.write_text(done.stdout, encoding="utf-8")
        read = forked.run(["read", "--config", str(config), "--catalog", str(catalog)])
        assert (done.returncode, read.returncode) == (0, 0)
        kinds = {json.loads(line)["type"] for line in read.stdout.splitlines()}
        assert {"RECORD", "STATE"} <= kinds
        asked[-1] = "dels"
        done = forked.run(asked)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "There is no stream “dels”: the nearest name is “deals”.\n"
