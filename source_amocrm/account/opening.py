"""Tells a list that broke off after its first rows from a list that the account does not have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from source_amocrm.errors import AmocrmError, broken_off
from source_amocrm.http.answer import Answer, Params
from source_amocrm.walk.listing import Listing, raw_page


class Opening:
    """A `listing` to be read in place of the given one: it notes whether a row has come yet, in whichever thread."""

    def __init__(self, listing: Listing) -> None:
        self._inner = listing
        self._begun = False
        self.listing = replace(listing, fetch=self._fetch)

    def _fetch(self, path: str, params: Params | None = None, *, shrinkable: bool = False) -> Answer:
        answer = self._inner.fetch(path, params or {}, shrinkable=shrinkable)
        self._begun = self._begun or bool(raw_page(answer, self._inner.collection).rows)
        return answer

    @contextmanager
    def watched(self, refusals: tuple[type[AmocrmError], ...]) -> Iterator[None]:
        """Lets a refusal of these kinds pass if no row has come yet; else the error says that the list broke off."""
        try:
            yield
        except refusals as error:
            if self._begun and error.path == self._inner.path:
                raise broken_off(error) from None
            raise
