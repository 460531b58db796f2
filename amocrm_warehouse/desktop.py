"""Shows a file to the person at the machine."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import TextIO


def show(path: Path, to: TextIO | None = None) -> None:
    """Prints the path of the report, to stdout by default, and on a desktop opens the report."""
    print(f"\nThe report: {path}", flush=True, file=to)
    if has_display():
        webbrowser.open(path.as_uri())


def has_display() -> bool:
    """Whether the person sees the display of this machine: not in CI, nor over SSH."""
    if any(os.environ.get(name) for name in ("CI", "SSH_CONNECTION")):
        return False
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
