"""How patient we are."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """All times in seconds; ceilings are for one request with all its repetitions."""

    attempts: int = 8
    ceiling: float = 150.0
    throttled_ceiling: float = 900.0
    first_delay: float = 1.0
    longest_delay: float = 60.0
    # Attempts for what is rather a wrong address than an outage, while nothing has been answered yet
    cold_attempts: int = 3
    # Attempts at a page that can be asked for in smaller pieces
    fat_attempts: int = 2
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    # A whole answer, however slowly it drips
    deadline: float = 120.0

    def bound(self, attempt: int) -> float:
        """The longest pause after attempt number `attempt` (1, 2, …)."""
        return min(self.longest_delay, self.first_delay * 2.0 ** min(attempt - 1, 30))


class Patience:
    """What is left of the policy for one request."""

    def __init__(self, policy: RetryPolicy, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._started = clock()
        self._attempts = 0
        self._throttled_since: float | None = None
        self._throttled = 0
        self._spent_throttled = 0.0

    def pause_after_failure(self, asked: float | None, *, attempts: int) -> float | None:
        """Seconds until the next attempt, None when it is time to give up. `asked`: the server's Retry-After."""
        self._attempts += 1
        delay = random.uniform(0, self._policy.bound(self._attempts))
        delay = max(delay, asked or 0.0)
        spent = self._clock() - self._started - self._spent_throttled
        if self._attempts >= attempts or spent + delay > self._policy.ceiling:
            return None
        return delay

    def pause_after_throttling(self, asked: float | None) -> float | None:
        """Seconds for which nobody may ask after a 429, None when it is time to give up."""
        now = self._clock()
        if self._throttled_since is None:
            self._throttled_since = now
        self._throttled += 1
        # at least a second: a server that counts by seconds forgets nothing earlier
        seconds = max(1.0, asked if asked is not None else self._policy.bound(self._throttled))
        self._spent_throttled = now - self._throttled_since + seconds
        return None if self._spent_throttled > self._policy.throttled_ceiling else seconds
