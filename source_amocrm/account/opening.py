"""A list that has begun to come: what is refused after that has broken off, and does not mean that there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from source_amocrm.errors import AmocrmError, broken_off
from source_amocrm.walk.listing import RawPage


class Opening:
    """The list at `path`. `look` sees each page that comes, in whichever thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._begun = False

    def look(self, raw: RawPage) -> None:
        self._begun = self._begun or bool(raw.rows)

    @contextmanager
    def watched(self, refusals: tuple[type[AmocrmError], ...]) -> Iterator[None]:
        """Lets one of the `refusals` pass only while nothing has come."""
        try:
            yield
        except refusals as error:
            if self._begun and error.path == self._path:
                raise broken_off(error) from None
            raise
