"""How long requests are repeated: the ceilings, and the delays as the CDK's back-off strategy."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

import requests
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy

from source_amocrm.http.reply import Reply, http_date, reply_of


@dataclass(frozen=True)
class RetryPolicy(BackoffStrategy):
    """All times in seconds; ceilings are for one request with all its retries."""

    attempts: int = 8
    ceiling: float = 150.0
    throttled_ceiling: float = 900.0
    first_delay: float = 1.0
    longest_delay: float = 60.0
    cold_attempts: int = 8  # at an address where nobody has answered yet; fewer where a person waits
    large_page_attempts: int = 2  # at a page that can be asked for in smaller pieces
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    deadline: float = 120.0  # of a whole answer, however slowly it drips

    def backoff_time(
        self, response_or_exception: requests.Response | requests.RequestException | None, attempt_count: int
    ) -> float:
        """After a 429 what the server asks for, or longer from refusal to refusal.

        After a failure a random delay that grows from attempt to attempt, and not less than the server asks for.
        """
        reply = reply_of(response_or_exception)
        asked = _retry_after(reply)
        bound = min(self.longest_delay, self.first_delay * 2.0 ** min(attempt_count - 1, 30))
        if reply.meant_status == requests.codes.too_many_requests:
            # at least a second: a server that counts by seconds forgets nothing earlier
            return max(1.0, bound if asked is None else asked)
        return max(random.uniform(0, bound), asked or 0.0)


def _retry_after(reply: Reply) -> float | None:
    """Seconds that the server asks to wait, by header (seconds or a date) or by body."""
    header = reply.headers.get("Retry-After")
    if (seconds := _seconds(header)) is not None:
        return seconds
    if (moment := http_date(header)) is not None:
        return max(0.0, moment - reply.server_time)
    return _seconds((reply.body or {}).get("retry_after"))


def _seconds(given: object) -> float | None:
    text = str(given).strip() if not isinstance(given, bool) else ""
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII) else None
