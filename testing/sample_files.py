"""Real JSON of amoCRM, one file an answer: its documentation's examples and anonymised recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "samples"


def sample(name: str, *path: str | int) -> Any:
    """The JSON of a sample file, or what stands at the path inside it."""
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for step in path:
        found = found[step]
    return found
