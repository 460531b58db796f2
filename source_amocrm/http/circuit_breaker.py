"""A circuit breaker shared by all requests to one host: an outage or a refusal that one meets fails the others."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from source_amocrm.errors import AmocrmError


class CircuitBreaker:
    """Fails requests at once after a failure that concerns all of them, until a request sent later is answered.

    - After one request has used up its retries (an outage), a single request at a time probes, once; all others fail
      immediately.
    - After a refusal (of the token, or endless 429) every request fails at once, also one that waits to be retried.

    Attempts are numbered as they are sent. An answer to an attempt that was sent before the failure does not end it.
    A refusal of the breaker `above` fails requests of this one, too. With `opens` False no failure is noted.
    """

    def __init__(self, above: CircuitBreaker | None = None, *, opens: bool = True) -> None:
        self.sent = 0  # the number of the last attempt
        self._above = above
        self._opens = opens
        self._lock = threading.Lock()
        self._answered = 0
        self._probing = False
        # The last outage (False) and refusal (True), each with the last attempt that was sent before it
        self._failures: dict[bool, tuple[AmocrmError, int]] = {}

    @property
    def untried(self) -> bool:
        """Whether no request has ever been answered."""
        return self._answered == 0

    @property
    def outage(self) -> AmocrmError | None:
        return self._failure(refusal=False)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Lets a request in. Raises the known refusal, or the known outage while another request makes its attempt."""
        with self._lock:
            self._raise_refusal()
            outage = self.outage
            if outage and self._probing:
                raise copy.copy(outage)
            self._probing = probe = outage is not None
        try:
            yield
        finally:
            if probe:
                self._probing = False

    def send(self) -> int:
        """Returns the number of an attempt that is sent now. Raises the known refusal, if there is one."""
        with self._lock:
            self._raise_refusal()
            self.sent += 1
            return self.sent

    def answered(self, number: int) -> None:
        with self._lock:
            self._answered = max(self._answered, number)

    def failed(self, error: AmocrmError, since: int, *, refusal: bool) -> None:
        """Notes an outage or a refusal, unless an attempt with a higher number than `since` has been answered."""
        with self._lock:
            if self._opens and self._answered <= since:
                self._failures[refusal] = error, since

    def _raise_refusal(self) -> None:
        if self._above is not None:
            self._above._raise_refusal()
        if error := self._failure(refusal=True):
            raise copy.copy(error)

    def _failure(self, *, refusal: bool) -> AmocrmError | None:
        error, since = self._failures.get(refusal, (None, -1))
        return error if self._answered <= since else None
