"""Lists that not every account has: tells one that broke off after its first rows from one that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from source_amocrm.account import switched_off
from source_amocrm.errors import broken_off
from source_amocrm.http.answer import Answer, Params
from source_amocrm.walk.full import full
from source_amocrm.walk.id_order import in_id_order
from source_amocrm.walk.listing import Listing, Row, raw_page
from source_amocrm.walk.worker_pool import WorkerPool


def whole(listing: Listing, pool: WorkerPool | None = None) -> list[Row]:
    """Reads a short list whole. A refusal half-way does not mean that the account has none."""
    opening = Opening(listing)
    with opening.watched():
        return full(opening.listing, pool)


def in_parts(listing: Listing, pool: WorkerPool | None = None) -> Iterator[list[Row]]:
    """As `whole`, for a list of any length: each row once, in the order of ids where the list can be had so."""
    opening = Opening(listing)
    with opening.watched():
        for page in in_id_order(opening.listing, pool):
            yield page.rows


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
    def watched(self) -> Iterator[None]:
        """Lets a refusal pass that may mean that the list is off. After a row has come it means that it broke off."""
        try:
            yield
        except switched_off.ANSWERS as error:
            if self._begun and error.path == self._inner.path:
                raise broken_off(error) from None
            raise
