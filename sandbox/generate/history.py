"""Events of the generated account. Events with equal values share them, which saves memory."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from ..account_data import NO_VALUE, SINGULAR
from ..store import Event, Row
from ..ulid import ulid

Values = list[dict[str, object]]


class History:
    """Collects events in any order."""

    def __init__(self, rng: Random) -> None:
        self._random = rng.random
        self._bits = rng.getrandbits
        self.events: list[Event] = []
        self._statuses: dict[tuple[int, int], Values] = {}
        self._users: dict[int, Values] = {}
        self._note = 500_000_000

    def write(
        self, event_type: str, entity: str, entity_id: int, by: int, at: int,
        after: Values = NO_VALUE, before: Values = NO_VALUE,
    ) -> None:  # fmt: skip
        event_id = ulid(at * 1000 + int(self._random() * 1000), self._bits(80))
        self.events.append(Event(event_id, event_type, entity_id, entity, by, at, after, before))

    def added(self, entity: str, entity_id: int, by: int, at: int) -> None:
        self._note += 1
        self.write(f"{entity}_added", entity, entity_id, by, at, [{"note": {"id": self._note}}])

    def moved(self, lead_id: int, by: int, at: int, to: tuple[int, int], origin: tuple[int, int]) -> None:
        """`to`, `origin`: (pipeline id, status id)."""
        self.write("lead_status_changed", "lead", lead_id, by, at, self._status(to), self._status(origin))

    def _status(self, status: tuple[int, int]) -> Values:
        values = self._statuses.get(status)
        if values is None:
            values = [{"lead_status": {"id": status[1], "pipeline_id": status[0]}}]
            self._statuses[status] = values
        return values

    def responsible(self, kind: str, entity_id: int, by: int, at: int, to: int, origin: int) -> None:
        after, before = (self._users.setdefault(user, [{"responsible_user": {"id": user}}]) for user in (to, origin))
        self.write("entity_responsible_changed", SINGULAR[kind], entity_id, by, at, after, before)

    def tagged(self, kind: str, entity_id: int, tags: Sequence[Row], by: int, at: int) -> None:
        values: Values = [{"tag": {"name": tag["name"]}} for tag in tags]
        self.write("entity_tag_added", SINGULAR[kind], entity_id, by, at, values)

    def chatted(self, lead_id: int, contact_id: int, message: Row, at: int) -> None:
        """Writes the event of a contact's message. It belongs to the deal and names the contact."""
        after: Values = [{"message": message}]
        self.write("incoming_chat_message", "lead", lead_id, 0, at, after)
        self.events[-1] = self.events[-1]._replace(linked_talk_contact_id=contact_id)

    def linked(self, kind: str, entity_id: int, to: str, to_id: int, by: int, at: int) -> None:
        link: Values = [{"link": {"entity": {"type": SINGULAR[to], "id": to_id}}}]
        self.write("entity_linked", SINGULAR[kind], entity_id, by, at, link)
