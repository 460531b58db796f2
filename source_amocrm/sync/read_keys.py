"""A stage that remembers which rows the main walk of a list has brought."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence

from source_amocrm.sync.batch import Batch
from source_amocrm.sync.progress import ReadPlan, merged
from source_amocrm.walk.id_order import LARGEST_ID
from source_amocrm.walk.intervals import FOREVER
from source_amocrm.walk.listing import REMEMBERED_KEYS, key, seconds


class ReadKeys:
    """`delivered`: the keys of rows that every reader has been given; in a first sync REMEMBERED_KEYS of them, for a
    filter that is ignored shows at the second page.

    `ids`: the ids of all rows that came, of which there may be millions.
    """

    def __init__(self, plans: Sequence[ReadPlan]) -> None:
        self._plans = plans
        self._first_sync = merged(plans).changes_since is None
        self.delivered: set[int | str] = set()
        self.ids = array("q")

    def remembered(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches, whose rows are remembered before they go on."""
        return map(self._added, batches)

    def _added(self, batch: Batch) -> Batch:
        """What is older than a reader needs is not delivered to it."""
        row_ids = (row.get("id") for row in batch.page.rows)
        self.ids.extend(row_id for row_id in row_ids if isinstance(row_id, int) and 0 < row_id < LARGEST_ID)
        if self._first_sync and len(self.delivered) >= REMEMBERED_KEYS:
            return batch
        floor = FOREVER if batch.floor is None else batch.floor
        for row in batch.page.rows:
            second = seconds(row.get("updated_at"))
            if second is None or second >= floor or all(second in plan.seconds for plan in self._plans):
                self.delivered.add(key(row))
        return batch
