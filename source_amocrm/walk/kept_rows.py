"""The memory of all lists of an account that are read whole, which many of them may fill at once."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable
from typing import Any

from source_amocrm.http.reply import cost

MOST_KEPT = 240 << 20
"""The most memory of the rows of all lists together (bytes by `cost`, which is about 40 MB of JSON)."""
SHARE = 8
"""A list may take the memory still free times this factor. One list alone gets eight ninths of MOST_KEPT, and of many
lists without end each gets as much as the others, so that they leave room for a short one."""


class KeptRows:
    """Counts the memory of kept rows, by the path of their list. Safe to share by threads."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def fits(self, path: str, rows: Iterable[dict[str, Any]]) -> bool:
        """Counts further rows of a list if they fit, and returns whether they do."""
        size = cost(json.dumps([*rows], ensure_ascii=False).encode("utf-8", "surrogatepass"))
        with self._lock:
            fits = self._taken[path] + size <= SHARE * (MOST_KEPT - sum(self._taken.values()) - size)
            self._taken[path] += size if fits else 0
        return fits

    def forget(self, path: str) -> None:
        """Counts the rows of a list no more, because nobody keeps them."""
        with self._lock:
            del self._taken[path]
