"""The two clocks of a sync: amoCRM's, by the `Date` headers of its responses, and this machine's.

If both clocks agree, amoCRM's counts, because amoCRM dates the rows. If they disagree, whichever is safe counts: the
earlier one for "already read", the later one for "may have changed".
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import replace

from source_amocrm.dates import iso
from source_amocrm.http import Answer

LOGGER = logging.getLogger("airbyte")

TOLERANCE = 300  # Seconds by which two clocks may differ and still count as agreeing


class Clocks:
    """`wall` returns Unix seconds by this machine's clock, and `tick` the seconds of its monotonic clock."""

    def __init__(self, wall: Callable[[], float], tick: Callable[[], float]) -> None:
        self._wall = wall
        self._tick = tick
        self._now = 0
        self._server_ahead = -math.inf  # The least by which amoCRM's clock is ahead of the monotonic one (seconds)
        self._warned = False
        self._lock = threading.Lock()

    def ours(self) -> int:
        return int(self._wall())

    def note(self, answer: Answer) -> Answer:
        """Notes an answer that came just now. Returns it with the drift of the clocks and the tick of its arrival."""
        answer = replace(answer, drift=self.drift(int(answer.server_time)), tick=self._tick())
        self._now = max(self._now, int(answer.latest))
        self._server_ahead = max(self._server_ahead, answer.server_time - answer.tick)
        return answer

    def now(self) -> int:
        """Returns the time of the last answer by the later of the two clocks (Unix seconds)."""
        return self._now

    def moment(self) -> Answer:
        """Returns the answer that would come now, without a body. Its server time is now or a little earlier."""
        tick = self._tick()
        server = self._server_ahead + tick
        return Answer(None, server, server - 1, self.drift(int(server)), tick)

    def drift(self, server: int) -> int:
        """Returns the seconds by which this machine's clock is ahead of amoCRM's `server`; 0 while they agree."""
        ours = self.ours()
        if abs(ours - server) <= TOLERANCE:
            return 0
        with self._lock:
            warned, self._warned = self._warned, True
        if not warned:
            LOGGER.warning(
                "amoCRM's clock shows %s, and this machine's %s. Nothing is lost: until they agree, each sync reads "
                "again what was changed since the earlier of the two. Set this machine's clock by a time server; if "
                "it is right, tell amoCRM support.",
                iso(server),
                iso(ours),
            )
        return ours - server
