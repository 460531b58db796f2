"""Finds secrets of the sandbox in output, logs, traces and pages, by the MARK that each secret contains.

So does NOTIFIED, the address of a recipient, which is in the environment of every test.

Only the CONNECTOR_CONFIG control message may hold secrets: by the Airbyte protocol it hands the platform the config
with renewed tokens.
"""

from __future__ import annotations

from sandbox.credentials import MARK

CONTROL = '{"type":"CONTROL"'
NOTIFIED = f"json://ann:pa%2Fss-{MARK}@127.0.0.1:1/hook/{MARK}"


def leaks(text: str) -> list[str]:
    """Returns the lines of an output that hold a secret, cut to 300 letters."""
    if MARK not in text:
        return []
    return [line[:300] for line in text.splitlines() if MARK in line and not line.startswith(CONTROL)]


def clean(text: str) -> str:
    """Returns the text. Fails if it holds a secret."""
    found = leaks(text)
    assert not found, f"a secret was shown: {found}"
    return text
