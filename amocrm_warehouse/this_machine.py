"""The machine of the commands' user: a folder for files of its owner alone, and a browser that shows a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from source_amocrm.browser import open_in_browser

HOME = "SOURCE_AMOCRM_HOME"
"""The environment variable that names another folder."""
NAME = "source-amocrm"


def own_folder(*names: str) -> Path:
    """Returns a folder within that folder, made if it is missing. Raises ValueError with a sentence if it cannot be."""
    try:
        top = Path(home) if (home := os.environ.get(HOME)) else _default()
        folder = top.joinpath(*names)
        top.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"The folder for temporary files cannot be made: {reason}. Name one that can in {HOME}."
        ) from None
    return folder


def _default() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / NAME
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / NAME


@contextmanager
def files_for_their_owner() -> Iterator[None]:
    """Makes the files that this process creates readable for their owner alone, DuckDB's file and log too."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def show(path: Path, to: TextIO | None = None) -> None:
    """Prints the path of the report, to stdout by default, and opens it if the person sees this machine's display."""
    print(f"\nThe report: {path}", flush=True, file=to)
    open_in_browser(path.as_uri())
