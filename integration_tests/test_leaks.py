"""Tests that show a secret of the sandbox fail, whatever they were about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import Account, Tokens
from testing.leaks import clean, leaks

ROOT = Path(__file__).resolve().parents[1]
TESTS = """
import logging, sys
SECRET = "s3" + "cr3t-x"
def test_prints(): print(f"the token is {SECRET}")
def test_prints_to_stderr(): print(SECRET, file=sys.stderr)
def test_logs(): logging.getLogger("airbyte").warning("token %s", SECRET)
def test_hands_over(): print('{"type":"CONTROL","control":{"config":"' + SECRET + '"}}')
def test_says_nothing(): print("nothing")
"""


def test_every_secret_is_seen() -> None:
    tokens = Tokens(Account(seed=1))
    pair = tokens.grant()
    issued = [tokens.client.client_secret, tokens.long_lived(), tokens.code()]
    assert {*issued, pair["access_token"], pair["refresh_token"]} == set(tokens.all_secrets())
    for secret in tokens.all_secrets():
        assert leaks(f'a line\n{{"token": "{secret}"}}\nanother'), secret
        with pytest.raises(AssertionError, match="a secret was shown"):
            clean(f"Bearer {secret}")


def test_a_control_message_alone_may_hold_them() -> None:
    token = Tokens(Account(seed=1)).long_lived()
    line = f'{{"type":"CONTROL","control":{{"connectorConfig":{{"config":{{"access_token":"{token}"}}}}}}}}'
    assert leaks(line) == []
    assert leaks(f"{line}\n{token}") == [token[:300]]


def test_a_test_that_shows_one_fails(tmp_path: Path) -> None:
    file = tmp_path / "test_shown.py"
    file.write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-rA", "--tb=line"]
    done = subprocess.run([*command, str(file)], cwd=ROOT, capture_output=True, text=True)
    results = [line.split(" ") for line in done.stdout.splitlines() if line.startswith(("PASSED ", "FAILED "))]
    told = {name.rpartition("::")[2]: result for result, name, *_ in results}
    assert told == {
        "test_prints": "FAILED",
        "test_prints_to_stderr": "FAILED",
        "test_logs": "FAILED",
        "test_hands_over": "PASSED",
        "test_says_nothing": "PASSED",
    }
