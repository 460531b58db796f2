"""Records that were read within the second of their last change.

amoCRM dates to the second, so that a record may change again and keep its date. Of a table that makes several rows of
one record, those that the second change took away would then bear the date of the present ones, and nothing could
tell them apart. Such a record is held back, and delivered as it is when its second is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from source_amocrm.account.account import Account
from source_amocrm.account.resources import EntityList
from source_amocrm.walk.listing import Found, Params, Row, key, seconds

CLOCK_SLACK = 1
"""Seconds by which the clock of the answers may differ from the one that dates the records."""
MOST_HELD, MOST_HELD_UNFILTERED = 500, 50
"""Each of them is asked for once more: fifty at a time, or one by one where the filter is off."""
READINGS = 4
"""A record that is changed in every second is delivered as the last of so many readings has it."""


@dataclass
class Unsettled:
    account: Account
    entities: EntityList
    params: Params
    _dates: dict[int | str, int] = field(default_factory=dict)
    _held: dict[int, int] = field(default_factory=dict)

    def look(self, found: Found) -> None:
        """A page that came, in whichever thread."""
        for row in found.rows:
            second = seconds(row.get("updated_at"))
            if second is not None and found.sent_at <= second <= found.server_time + CLOCK_SLACK:
                self._dates[key(row)] = second

    def settled(self, rows: list[Row]) -> list[Row]:
        """The rows without those that must be held."""
        return [row for row in rows if not self._hold(row)] if self._dates else rows

    def _hold(self, row: Row) -> bool:
        own, second = row.get("id"), seconds(row.get("updated_at"))
        if not isinstance(own, int) or second is None or self._dates.get(own) != second:
            return False
        most = MOST_HELD if self.account.filter_works(self.entities) else MOST_HELD_UNFILTERED
        if own not in self._held and len(self._held) >= most:
            return False
        self._held[own] = second
        return True

    def later(self) -> Iterator[list[Row]]:
        """What was held, as it is now; who has gone meanwhile is left out."""
        for left in range(READINGS, 0, -1):
            if not self._held:
                return
            held, self._held = self._held, {}
            self.account.wait_until(max(held.values()) + 1 + CLOCK_SLACK)
            asked = self.account.clock()
            settled = []
            for row in self.account.by_ids(self.entities, held, self.params):
                second = seconds(row.get("updated_at")) or 0
                if left > 1 and asked < second + 1 + CLOCK_SLACK <= self.account.clock() + 1 + 2 * CLOCK_SLACK:
                    self._held[row["id"]] = second
                else:
                    settled.append(row)
            yield settled
