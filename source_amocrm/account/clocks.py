"""The two clocks of a sync: amoCRM's, as the `Date` of its answers tells it, and this machine's. Either may be wrong.

Where they agree amoCRM's counts, for it dates the rows. Where they do not, nobody knows which is right, and the one
that does no harm is taken: the earlier for what is done, the later for what may have happened.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import replace

from source_amocrm.dates import iso
from source_amocrm.http.api import Answer
from source_amocrm.walk.listing import Answered

LOGGER = logging.getLogger("airbyte")

TOLERANCE = 300
"""Seconds by which two clocks may differ and still count as agreeing."""


class Clocks:
    """`wall` tells Unix seconds by this machine's clock, and `tick` seconds of its monotonic one."""

    def __init__(self, wall: Callable[[], float], tick: Callable[[], float]) -> None:
        self._wall = wall
        self._tick = tick
        self._now = 0
        self._server_ahead = -math.inf
        """By how much amoCRM's clock is ahead of the monotonic one, at least."""
        self._told = False
        self._lock = threading.Lock()

    def ours(self) -> int:
        return int(self._wall())

    def stamped(self, answer: Answer) -> Answer:
        """An answer that came just now, with how far the clocks are apart, and when it came."""
        drift, tick = self.drift(answer.server_time), self._tick()
        self._now = max(self._now, answer.server_time + max(0, drift))
        self._server_ahead = max(self._server_ahead, answer.server_time - tick)
        return replace(answer, drift=drift, tick=tick)

    def now(self) -> int:
        """The time of the last answer in Unix seconds, by the later of the two clocks."""
        return self._now

    def moment(self) -> Answered:
        """This moment, as if a request left and was answered now. The server's clock shows this time or a later one."""
        tick = self._tick()
        server = self._server_ahead + tick
        return Answered(server - 1, server, self.drift(int(server)), tick)

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
