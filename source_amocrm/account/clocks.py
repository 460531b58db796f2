"""The two clocks of a sync: amoCRM's, as the `Date` of its answers tells it, and this machine's. Either may be wrong.

Where they agree amoCRM's counts, for it dates the rows. Where they do not, nobody knows which is right, and the one
that does no harm is taken: the earlier for what is done, the later for what may have happened.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from source_amocrm.dates import iso

LOGGER = logging.getLogger("airbyte")

TOLERANCE = 300
"""Seconds by which two clocks may differ and still count as agreeing."""


class Clocks:
    """`ours` tells Unix seconds by this machine's clock."""

    def __init__(self, ours: Callable[[], float]) -> None:
        self._ours = ours
        self._told = False
        self._lock = threading.Lock()

    def ours(self) -> int:
        return int(self._ours())

    def drift(self, server: int) -> int:
        """How far this machine's clock is ahead of amoCRM's, which shows `server`; 0 while they agree."""
        drift = self.ours() - server
        if abs(drift) <= TOLERANCE:
            return 0
        self._tell(server, server + drift)
        return drift

    def _tell(self, server: int, ours: int) -> None:
        with self._lock:
            told, self._told = self._told, True
        if not told:
            LOGGER.warning(
                "amoCRM's clock shows %s, and this machine's %s. Nothing is lost: until they agree, each sync reads "
                "again what was changed since the earlier of the two. Set this machine's clock by a time server; if "
                "it is right, tell amoCRM support.",
                iso(server),
                iso(ours),
            )
