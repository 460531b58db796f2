"""Showing a file to who sits before the machine."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path


def show(path: Path) -> None:
    """Tells where the report is; on a desktop, opens it."""
    print(f"\nThe report: {path}", flush=True)
    if has_display():
        webbrowser.open(path.as_uri())


def has_display() -> bool:
    """Not so in CI, nor where one is logged in from elsewhere."""
    if any(os.environ.get(name) for name in ("CI", "SSH_CONNECTION")):
        return False
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
