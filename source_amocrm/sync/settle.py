"""Holds back records that were read within the second of their last change.

amoCRM dates records to the second, so a record may change again and keep its date. A stream that makes several rows of
a record could then not tell rows that the second change removed from the present ones. The stage holds such a record
until its second has ended, then reads it once more and delivers that version.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

from source_amocrm.sync.batch import Batch
from source_amocrm.walk.listing import Answered, Page, Row, seconds

CLOCK_SLACK = 1
"""Seconds by which the clock of the answers may differ from the one that dates the records."""
MOST_HELD, MOST_HELD_UNFILTERED = 500, 50
"""The most records held at a time; further ones are delivered at once. Each costs a reading by id."""
READINGS = 4
"""How many times a record is read again while it changes in every second; then its last version is delivered."""


def settled(
    batches: Iterable[Batch],
    name: str,
    most_held: Callable[[], int],
    wait_until: Callable[[float], None],
    read_again: Callable[[Collection[int]], Page],
) -> Iterator[Batch]:
    """Yields the batches of the list `name` without held records, then these records as they are read again.

    `wait_until` sleeps until a tick of the monotonic clock. `read_again` reads the records that still exist by id.
    """
    held: dict[int, float] = {}

    def without_held(batch: Batch) -> Batch:
        edge = min((one.sent_at + min(0, one.drift) for one in batch.page.answered), default=0)
        return batch.without(lambda row: _hold(row, edge, batch.page.answered, held, most_held))

    yield from map(without_held, batches)
    for left in range(READINGS, 0, -1):
        if not held:
            return
        wait_until(max(held.values()))
        page, held = read_again(held), {}
        rows = []
        for row in page.rows:
            over = over_at(seconds(row.get("updated_at")) or 0, page.answered)
            if left > 1 and over is not None:
                held[row["id"]] = over
            else:
                rows.append(row)
        yield Batch(name, replace(page, rows=rows), floor=0)


def over_at(second: int, answered: Iterable[Answered]) -> float | None:
    """Returns the tick of the monotonic clock at which `second` has ended by the server's clock and by ours.

    None if it had ended when the rows were requested.
    """
    over = second + 1 + CLOCK_SLACK
    ticks = [
        one.tick + over - (one.server_time + drift)
        for one in answered
        for drift in (0, one.drift)
        if one.sent_at + 1 + drift < over and second <= one.server_time + drift + CLOCK_SLACK
    ]
    return max(ticks, default=None)


def _hold(
    row: Row, edge: float, answered: Iterable[Answered], held: dict[int, float], most_held: Callable[[], int]
) -> bool:
    """Whether the row is held. `edge`: rows changed well before that second are never held."""
    entity_id, second = row.get("id"), seconds(row.get("updated_at"))
    if not isinstance(entity_id, int) or second is None or second + CLOCK_SLACK < edge:
        return False
    over = over_at(second, answered)
    if over is None or (entity_id not in held and len(held) >= most_held()):
        return False
    held[entity_id] = over
    return True
