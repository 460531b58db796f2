"""How far a keyset walk has come: the second that it is in, and which of that second's rows are delivered."""

from __future__ import annotations

from source_amocrm.walk.directed_list import Dated, DirectedList
from source_amocrm.walk.keyset_windows import KeysetWindow
from source_amocrm.walk.listing import Page, PageCheckpoint, Row, key

REMEMBERED_KEYS = 5_000
"""Rows of one second that are told from others by their keys; where they are more, by their order."""


class KeysetPosition:
    """`here`: the place that the walk is at; every row of an earlier place is delivered. `last`: the last row of the
    page before."""

    def __init__(self, view: DirectedList) -> None:
        self._view = view
        self._ties = view.traits.ties
        self.here = view.near
        self.last: Dated | None = None
        self.delivered: set[int | str] = set()
        """The keys of the rows at `here`, while they are few."""
        self._many = False
        self.rows = 0
        """How many rows at `here` are delivered."""

    def is_fresh(self, one: Dated) -> bool:
        """Whether a row is not delivered yet."""
        if one.place != self.here:
            return one.place > self.here
        if self._many and self.last and self._ties.in_turn(one.row, self.last.row):
            return False
        return key(one.row) not in self.delivered

    def begins(self, window: KeysetWindow) -> bool:
        """Whether the window was asked for from `here` or an earlier place on, so that it cannot leave a row out."""
        return window.begins is not None and window.begins <= self.here

    def joins(self, dated: list[Dated]) -> bool:
        """Whether no row can lie between what was read and the first of these rows."""
        first = dated[0]
        if first.place != self.here or self.last is None:
            return first.place < self.here
        tied = [one for one in dated if one.place == self.here]
        return self._ties.bears_out(tied) and self._ties.in_turn(first.row, self.last.row)

    def holds_none_of(self, dated: list[Dated]) -> bool:
        """Whether it is known that none of these rows is delivered and no two of them are one."""
        keys = {key(row) for _, row in dated}
        return not self._many and len(keys) == len(dated) and keys.isdisjoint(self.delivered)

    def goes_beyond(self, last: Dated) -> bool:
        """Whether a page that ends with this row leads beyond what was read."""
        if last.place != self.here or self.last is None:
            return last.place > self.here
        return self._ties.known and not self._ties.in_turn(last.row, self.last.row)

    def advance(self, dated: list[Dated], fresh: list[Dated]) -> None:
        """Moves to the end of a page that was taken."""
        place = dated[-1].place if dated else self.here
        if place > self.here:
            self.leave_for(place)
        self.delivered.update(key(row) for at, row in dated if at == place)
        self.rows += sum(at == place for at, _ in fresh)
        if len(self.delivered) > REMEMBERED_KEYS and self._ties.known:
            self.delivered, self._many = set(), True
        self.last = dated[-1] if dated else None

    def leave_for(self, place: int) -> None:
        """Moves to a place of which nothing has been read."""
        self.here, self.last, self.delivered, self._many, self.rows = place, None, set(), False, 0

    def crowded(self, many: int) -> bool:
        """Whether the walk is among so many rows of one second."""
        return self.last is not None and (self._many or len(self.delivered) > many)

    def within(self, rows: list[Row], dated: list[Dated]) -> Page | None:
        """The page of these rows with a checkpoint, if it ends in the second in which it begins and that second's rows
        come in ascending order of ids; else None."""
        last = dated[-1] if dated else None
        if not last or last.place != self.here or not self._ties.ascending or not self._view.ascending:
            return None
        row_id = last.row.get("id")
        if not isinstance(row_id, int):
            return None
        return Page(rows, checkpoint=PageCheckpoint(self.rows + len(rows), row_id), second=last.place)
