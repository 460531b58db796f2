"""When entities left a list or came back to it, as far as the account's events tell."""

from __future__ import annotations

from dataclasses import dataclass

from source_amocrm.streams.account import Account
from source_amocrm.streams.changes import LIFE, MERGED, RESTORED, events_between
from source_amocrm.streams.lists import CLOSED
from source_amocrm.walk.listing import seconds
from source_amocrm.walk.numbered import Move


@dataclass(frozen=True)
class MovesByEvents:
    """Of the entities (`entity`: the singular that events use) that were deleted, restored or merged."""

    account: Account
    entity: str

    def between(self, since: int, until: int) -> list[Move] | None:
        own = {f"{self.entity}_deleted", f"{self.entity}_restored", f"common_{self.entity}_deleted"}
        try:
            events = events_between(self.account, [MERGED, *sorted(LIFE & own)], since, until)
        except CLOSED:
            return None
        return [
            Move(at, event.get("type") in RESTORED)
            for event in events
            if (at := seconds(event.get("created_at"))) is not None
        ]

    def wait_until(self, second: int) -> None:
        self.account.wait_until(second)
