"""The progress rule: no response of a server makes a walk endless, or its memory grow without end."""

from __future__ import annotations

from source_amocrm.errors import AmocrmError
from source_amocrm.walk.listing import Key, RawPage, add_keys, key

LONGEST_LIST = 5_000_000
"""The most rows of one list, or of one second. A walk that meets more raises TooLong."""
MOST_KEPT = 300_000
"""The most rows of a list whose rows are all in memory until its end. A list with more raises TooLong."""


class Endless(AmocrmError):
    """The server promises a next page without end, or repeats a page."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"amoCRM's list {path} promises a next page again and again without a new row in it, so it cannot be read "
            "to its end. Run the sync again later; if it repeats, report it to amoCRM support with the address of the "
            "list."
        )


class TooLong(AmocrmError):
    """The list has more rows than any account has, so it may have no end."""

    def __init__(self, path: str, most: int) -> None:
        super().__init__(
            f"amoCRM's list {path} goes on after {most:,} rows and is read no further, because it may have no end. "
            "Report it to amoCRM support with the address of the list."
        )


def check_length(path: str, rows: int) -> None:
    """Raises TooLong if the walk has met more `rows` of a list than LONGEST_LIST."""
    if rows > LONGEST_LIST:
        raise TooLong(path, LONGEST_LIST)


class PageProgress:
    """The progress rule of walks by page number: one page in MOST_BARREN must bring a row that the walk has not met.

    A robot's mass edit may push many pages of known rows in between. The walk ends with an error if the server repeats
    a page, or a few pages in turn, or sends more than LONGEST_LIST.
    """

    MOST_BARREN = 100
    MOST_REPEATS = 3

    def __init__(self, path: str) -> None:
        self._path = path
        self._met = set[Key]()
        self._previous: list[Key] = []
        self._barren = self._repeats = self._rows = 0

    def meet(self, raw: RawPage) -> bool:
        """Counts a page. Returns whether the walk must request the page after it. Raises Endless and TooLong.

        A full page without a link to the next one may be where the server cut the list, so the walk requests the page
        after it. If the server sends the same page instead, the list has ended.
        """
        ids = [key(row) for row in raw.rows]
        # A walk may change its page size; a server that ignores page numbers then sends a longer or shorter beginning.
        sizes = len(ids), len(self._previous)
        shared = max(sizes) if raw.more else min(sizes)
        self._repeats = self._repeats + 1 if shared and ids[:shared] == self._previous[:shared] else 0
        self._barren = 0 if add_keys(self._met, ids) else self._barren + 1
        self._previous = ids
        self._rows += len(ids)
        check_length(self._path, self._rows)
        if self._repeats < self.MOST_REPEATS and self._barren < self.MOST_BARREN:
            return raw.may_go_on
        if raw.more:
            raise Endless(self._path)
        return False
