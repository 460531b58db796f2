"""A stage that holds back records which were read within the second of their last change.

amoCRM dates to the second, so that a record may change again and keep its date. Of a table that makes several rows of
one record, those that the second change took away would then bear the date of the present ones, and nothing could
tell them apart. Such a record is held back, and delivered as it is when its second is over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace

from source_amocrm.sync.batch import Batch
from source_amocrm.walk.listing import Answered, Page, Row, seconds

CLOCK_SLACK = 1
"""Seconds by which the clock of the answers may differ from the one that dates the records."""
MOST_HELD, MOST_HELD_UNFILTERED = 500, 50
"""Each of them is asked for once more: fifty at a time, or one by one where the filter is off."""
READINGS = 4
"""A record that is changed in every second is delivered as the last of so many readings has it."""


def settled(
    batches: Iterable[Batch],
    name: str,
    most_held: Callable[[], int],
    wait_until: Callable[[float], None],
    read_again: Callable[[Collection[int]], Page],
) -> Iterator[Batch]:
    """The batches of the list `name` without the records that are held, and behind them those records as they are then.

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
    """The tick of the monotonic clock at which `second` is over for certain, by the server's clock and by ours.

    None if it was over when the rows were asked for.
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
    """Whether the row is held from now on. `edge`: a row that was changed well before that second never is."""
    entity_id, second = row.get("id"), seconds(row.get("updated_at"))
    if not isinstance(entity_id, int) or second is None or second + CLOCK_SLACK < edge:
        return False
    over = over_at(second, answered)
    if over is None or (entity_id not in held and len(held) >= most_held()):
        return False
    held[entity_id] = over
    return True
