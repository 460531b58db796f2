"""Estimates how many requests a first sync takes, and how long.

amoCRM counts no list of cards or events, but a page far behind the last one has rows or has none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from source_amocrm.account import Account
from source_amocrm.account.events_page_size import DOCUMENTED, HOPED
from source_amocrm.account.resources import EVENTS
from source_amocrm.dates import duration
from source_amocrm.errors import AmocrmError
from source_amocrm.streams import STREAMS
from source_amocrm.streams.base import AmocrmStream, IncrementalStream
from source_amocrm.walk.listing import Row, any_rows, key

EXACT = 1.1  # Ratio of the bounds of a list's length at which it is known well enough
FARTHER = 8  # How many times farther the next question lies while the end of the list is not known
OVERHEAD = 1.07  # Time of a sync as a multiple of its pages at the full rate, as `make bench` measures it
LONGEST = 100_000  # Pages past which a list is not counted any further
NAMED = 3  # Lists with the most pages that the sentence names

Rows = Callable[[int], Sequence[Row]]
"""Requests a list's row of that number. Returns the rows that came: none behind the end of the list."""


def first_sync(account: Account) -> str:
    """Returns a sentence about a first sync of all tables. Raises AmocrmError if the account cannot be read."""
    account.facts()
    read: dict[tuple[str, bool], AmocrmStream] = {}
    for stream in (stream(account) for stream in STREAMS.values()):
        for path in stream.paths():
            # tables of changing lists share one reading; a table that is read whole reads the list again
            read.setdefault((path, isinstance(stream, IncrementalStream)), stream)
    with ThreadPoolExecutor(account.config.num_workers) as threads:
        counted = threads.map(lambda one: _pages_of(account, one[0][0], one[1]), read.items())
        pages = Counter[str]()
        for (path, _), count in zip(read, counted, strict=True):
            pages[path.removeprefix("/api/v4/")] += count
    requests = 1 + pages.total()
    named = ", ".join(f"{path} {count:,}" for path, count in pages.most_common(NAMED))
    took = duration(OVERHEAD * requests / account.config.requests_per_second)
    talks = " The texts of chats take one more request for each talk." if account.config.chat_texts else ""
    return (
        f"A first sync of all tables takes about {requests:,} requests, which is {took} at "
        f"{account.config.requests_per_second:g} requests a second. The longest lists (pages): {named}.{talks}"
    )


def _pages_of(account: Account, path: str, stream: AmocrmStream) -> int:
    """Returns the number of pages of a list; 1 for a list that cannot be read."""
    try:
        account.require(path)
        size = stream.page_size
        if path == EVENTS.path:
            size = HOPED if len(any_rows(stream.fetch(path, {"limit": HOPED}).body)) == HOPED else DOCUMENTED
        return count_pages(lambda number: any_rows(stream.fetch(path, {"limit": 1, "page": number}).body), size)
    except AmocrmError:
        return 1


def count_pages(row: Rows, size: int) -> int:
    """Counts the pages of `size` rows of a list."""
    first = row(1)
    if len(first) != 1:
        return 1  # an empty list, or one that knows no pages
    least, most = 1, LONGEST
    while most > EXACT * least:
        asked = FARTHER * least if FARTHER * least < most else math.isqrt(least * most)
        found = row(asked * size + 1)
        if found and key(found[0]) != key(first[0]):
            least = asked + 1
        else:
            most = asked
    return (least + most) // 2
