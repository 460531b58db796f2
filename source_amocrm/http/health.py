"""What the process knows about the server, so that a thousand requests need not learn it one by one."""

from __future__ import annotations

import copy
import threading

from source_amocrm.errors import AmocrmError


class Health:
    """After a failure that concerns everyone, and until something succeeds:

    - an outage (a request gave up): one request at a time, one attempt each; the others fail at once;
    - a refusal (the token, endless 429): every request fails at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._successes = 0
        self._outage: AmocrmError | None = None
        self._refusal: AmocrmError | None = None
        self._probing = False

    @property
    def successes(self) -> int:
        """How many answers there have been; 0 tells that nothing has ever been answered."""
        return self._successes

    @property
    def outage(self) -> bool:
        return self._outage is not None

    def enter(self) -> bool:
        """True when this request is the outage's probe; raises when it has no chance."""
        with self._lock:
            error = self._refusal or (self._outage if self._probing else None)
            if error is not None:
                raise copy.copy(error)
            self._probing = self._outage is not None
            return self._probing

    def leave(self, probe: bool) -> None:
        if probe:
            with self._lock:
                self._probing = False

    def answered(self) -> None:
        with self._lock:
            self._successes += 1
            self._outage = self._refusal = None

    def gave_up(self, error: AmocrmError, successes_before: int) -> None:
        """An outage only if nothing has been answered since the request failed first."""
        with self._lock:
            if self._successes == successes_before:
                self._outage = error

    def refused(self, error: AmocrmError) -> None:
        with self._lock:
            self._refusal = error
