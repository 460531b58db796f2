"""Records that were read within the second of their last change.

amoCRM dates to the second, so that a record may change again and keep its date. Of a table that makes several rows of
one record, those that the second change took away would then bear the date of the present ones, and nothing could
tell them apart. Such a record is held back, and delivered as it is when its second is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from source_amocrm.account.account import Account
from source_amocrm.account.resources import Resource
from source_amocrm.walk.listing import Params, RawPage, Row, key, seconds

CLOCK_SLACK = 1
"""Seconds by which the clock of the answers may differ from the one that dates the records."""
MOST_HELD, MOST_HELD_UNFILTERED = 500, 50
"""Each of them is asked for once more: fifty at a time, or one by one where the filter is off."""
READINGS = 4
"""A record that is changed in every second is delivered as the last of so many readings has it."""


@dataclass
class SettleBuffer:
    account: Account
    entities: Resource
    params: Params
    _dates: dict[int | str, tuple[int, float]] = field(default_factory=dict)
    """By key: the second of the record that came, and the tick of our clock behind which that is over."""
    _held: dict[int, float] = field(default_factory=dict)

    def look(self, raw: RawPage) -> None:
        """A page that came, in whichever thread."""
        tick = self.account.api.clock()
        asked = (raw.sent_at + 1, raw.sent_at + 1 + raw.drift)
        came = (raw.server_time, raw.server_time + raw.drift)
        for row in raw.rows:
            second = seconds(row.get("updated_at"))
            if second is not None and (wait := _over_in(second, asked, came)) is not None:
                self._dates[key(row)] = second, tick + wait

    def settled(self, rows: list[Row]) -> list[Row]:
        """The rows without those that must be held."""
        return [row for row in rows if not self._hold(row)] if self._dates else rows

    def _hold(self, row: Row) -> bool:
        own, second = row.get("id"), seconds(row.get("updated_at"))
        known, over = self._dates.get(key(row), (None, 0.0))
        if not isinstance(own, int) or second is None or known != second:
            return False
        most = MOST_HELD if self.account.filter_works(self.entities) else MOST_HELD_UNFILTERED
        if own not in self._held and len(self._held) >= most:
            return False
        self._held[own] = over
        return True

    def later(self) -> Iterator[list[Row]]:
        """What was held, as it is now; who has gone meanwhile is left out."""
        api = self.account.api
        for left in range(READINGS, 0, -1):
            if not self._held:
                return
            held, self._held = self._held, {}
            api.sleep(max(0.0, max(held.values()) - api.clock()))
            asked = self.account.readings()
            settled = []
            for row in self.account.by_ids(self.entities, held, self.params):
                second = seconds(row.get("updated_at")) or 0
                wait = _over_in(second, asked, self.account.readings())
                if left > 1 and wait is not None:
                    self._held[row["id"]] = api.clock() + wait
                else:
                    settled.append(row)
            yield settled


def _over_in(second: int, asked: tuple[float, float], came: tuple[float, float]) -> float | None:
    """In how many seconds `second` is over for certain; None where it was when the answer was `asked` for. By either
    of the clocks."""
    waits = [
        second + 1 + CLOCK_SLACK - after
        for before, after in zip(asked, came, strict=True)
        if before < second + 1 + CLOCK_SLACK and second <= after + CLOCK_SLACK
    ]
    return max(waits, default=None)
