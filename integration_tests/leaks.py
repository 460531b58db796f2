"""Nothing that is printed, logged, traced or shown on a page holds a secret of the sandbox.

Each of them has MARK in it. One place may hold them: the CONNECTOR_CONFIG control message, which hands the platform
the config with its rotated tokens, as the Airbyte protocol wants it.
"""

from __future__ import annotations

from .sandbox.credentials import MARK

CONTROL = '{"type":"CONTROL"'


def leaks(text: str) -> list[str]:
    """The lines of an output, cut short, that a secret was seen in."""
    if MARK not in text:
        return []
    return [line[:300] for line in text.splitlines() if MARK in line and not line.startswith(CONTROL)]


def clean(text: str) -> str:
    """The text itself; fails when it holds a secret."""
    found = leaks(text)
    assert not found, f"a secret was shown: {found}"
    return text
