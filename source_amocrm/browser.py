"""Opens a page in the browser of the person who sees this machine's display."""

from __future__ import annotations

import os
import sys
import webbrowser


def open_in_browser(url: str) -> bool:
    """Opens the page. Returns False if there is no browser, or nobody who would see its window."""
    return has_display() and webbrowser.open(url)


def has_display() -> bool:
    """Whether the person sees the display of this machine: not in CI, nor over SSH.

    Without a display, `webbrowser` may start a text browser in the terminal.
    """
    if any(os.environ.get(name) for name in ("CI", "SSH_CONNECTION")):
        return False
    windows = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in windows)
