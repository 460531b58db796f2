"""The two clocks of a sync: amoCRM's, by the `Date` headers of its responses, and this machine's.

If both clocks agree, amoCRM's counts, because amoCRM dates the rows. If they disagree, whichever is safe counts: the
earlier one for "already read", the later one for "may have changed".
"""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count

from source_amocrm.dates import iso
from source_amocrm.http import Answer

LOGGER = logging.getLogger("airbyte")

_READINGS = count(random.SystemRandom().randrange(1_000_000), 1_001)
"""Numbers the readings of this process. A step changes the milliseconds, too, for databases that keep no more; the
first number is drawn, so that a sync in the same second of amoCRM's clock does not count alike."""

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
        return Answer(None, server, self.drift(int(server)), tick)

    def reading(self, answered: Iterable[Answer] = ()) -> str:
        """Returns the moment of one reading: the last `Date` of its answers, with microseconds of its own (RFC 3339).

        Without an answer it is the moment now. No two readings of a card have the same moment, whatever the clocks do.
        """
        server = max((one.server_time for one in answered), default=self.moment().server_time)
        return f"{iso(int(server))[:-1]}.{next(_READINGS) % 1_000_000:06}Z"

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
