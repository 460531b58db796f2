"""A value that several threads need and that is worked out once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from source_amocrm.errors import anew

T = TypeVar("T")


class Once(Generic[T]):
    """Works the value out when it is first needed; safe to share by threads. A failure is kept, too."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._known: tuple[T] | None = None
        self._failed: Exception | None = None

    def __call__(self) -> T:
        with self._lock:
            if self._failed:
                raise anew(self._failed)
            if self._known is None:
                try:
                    self._known = (self._work(),)
                except Exception as error:
                    self._failed = anew(error)
                    raise
            return self._known[0]

    @property
    def known(self) -> bool:
        return self._known is not None
