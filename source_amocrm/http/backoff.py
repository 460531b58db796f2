"""How often and how long a request is retried, and the delays in between, as the CDK's back-off strategy."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

import requests
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy

from source_amocrm.http.reply import Reply, http_date, reply_of


@dataclass(frozen=True)
class RetryPolicy(BackoffStrategy):
    """The limits of one request. Ceilings and attempts count it with all its retries; times are in seconds."""

    attempts: int = 8  # failed attempts, 429s aside, after which the request is given up
    ceiling: float = 150.0  # in which attempts may begin; a pause after a 429 prolongs it
    throttled_ceiling: float = 900.0  # from the first 429 to the end of the last pause
    first_delay: float = 1.0  # the bound of the first delay, which doubles with each failure or 429
    longest_delay: float = 60.0
    cold_attempts: int = 8  # instead of `attempts` while the host has never answered; fewer where a person waits
    unknown_host_ceiling: float = 3.0  # instead of `ceiling` while no request has reached a host by its name
    large_page_attempts: int = 2  # at a page that is too slow, where a smaller page can be requested
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    deadline: float = 120.0  # of one attempt, from connecting to the last byte of the answer

    def backoff_time(
        self, response_or_exception: requests.Response | requests.RequestException | None, attempt_count: int
    ) -> float:
        """The delay after a 429 is the server's Retry-After; without one it doubles with each 429.

        The delay after a failure is random, below a bound that doubles with each failure, and at least the Retry-After.
        """
        reply = reply_of(response_or_exception)
        retry_after = _retry_after(reply)
        bound = min(self.longest_delay, self.first_delay * 2.0 ** min(attempt_count - 1, 30))
        if reply.meant_status == requests.codes.too_many_requests:
            # at least a second: a server that counts requests by the second forgets none earlier
            return max(1.0, bound if retry_after is None else retry_after)
        return max(random.uniform(0, bound), retry_after or 0.0)


def _retry_after(reply: Reply) -> float | None:
    """The wait that the server demands (seconds), by its header (seconds or a date) or by the body."""
    header = reply.headers.get("Retry-After")
    if (seconds := _seconds(header)) is not None:
        return seconds
    if (moment := http_date(header)) is not None:
        return max(0.0, moment - reply.server_time)
    return _seconds((reply.body or {}).get("retry_after"))


def _seconds(value: object) -> float | None:
    text = str(value).strip() if not isinstance(value, bool) else ""
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII) else None
