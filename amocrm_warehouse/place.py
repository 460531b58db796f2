"""The folder for what the commands keep on this machine, the owner's alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HOME = "SOURCE_AMOCRM_HOME"
"""The environment variable that names another folder."""
PACKAGE = "source-amocrm"


def own_folder(*names: str) -> Path:
    """A folder within the owner's, made if it is not there. Raises ValueError with a sentence where it cannot be."""
    try:
        top = Path(told) if (told := os.environ.get(HOME)) else _default()
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
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / PACKAGE
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / PACKAGE
