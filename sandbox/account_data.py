"""The raw rows of one amoCRM account. Renderer and endpoints decide by the switches what the API shows of them."""

from __future__ import annotations

import heapq
import pickle
import random
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .clock import Clock, RealClock
from .store import Event, EventTable, Links, Row, Table, row_table
from .switches import Switches
from .ulid import ulid

ENTITIES = ("leads", "contacts", "companies", "customers")
SINGULAR = {
    "leads": "lead",
    "contacts": "contact",
    "companies": "company",
    "customers": "customer",
    "tasks": "task",
}
NO_VALUE: list[dict[str, Any]] = []


@dataclass(frozen=True)
class Gone:
    """A row that left its list. `row`: the row as it was then. `at`: unix seconds; `by`: the user's id."""

    kind: str  # leads, contacts, companies, customers, tasks, or leads/notes …
    id: int
    at: int
    by: int
    how: Literal["trash", "purge", "merge", "delete"]
    row: Row


class AccountData:
    """Rows, links, dictionaries and history of one account. Hold `lock` to read or change it from a thread."""

    def __init__(self, *, clock: Clock | None = None, switches: Switches | None = None, seed: int = 0) -> None:
        self.clock: Clock = clock or RealClock()
        self.switches = switches or Switches()
        self.random = random.Random(f"account {seed}")
        self.lock = threading.RLock()
        self.id = 31_450_001 + seed % 1_000_000
        self.name = "ООО «Северный ветер»"
        self.subdomain = "example"
        self.timezone = "Europe/Moscow"
        self.tables: dict[str, Table[Row]] = {
            name: row_table()
            for name in (*ENTITIES, "tasks", *(f"{entity}/notes" for entity in ENTITIES), "transactions")
        }
        self.events = EventTable()
        self._late: list[tuple[float, Event]] = []
        self.links = Links()
        self.tags: dict[str, dict[int, tuple[Row, ...]]] = {entity: {} for entity in ENTITIES}
        self.tag_list: dict[str, list[Row]] = {entity: [] for entity in ENTITIES}
        self.segments_of: dict[int, tuple[int, ...]] = {}
        self.trash: dict[str, dict[int, Gone]] = {entity: {} for entity in ENTITIES}
        self.gone: dict[tuple[str, int], Gone] = {}  # every row that left: trash, purged, merged, deleted
        self.hidden_activity: dict[tuple[str, int], list[tuple[str, Row]]] = {}  # of trashed cards: table and row
        self.hidden: dict[str, dict[int, Row]] = {entity: {} for entity in ENTITIES}  # of unsorted requests
        self.unsorted: dict[str, Row] = {}
        self.users: dict[int, Row] = {}
        self.roles: list[Row] = []
        self.groups: list[Row] = []
        self.pipelines: list[Row] = []  # each with its `statuses`
        self.loss_reasons: list[Row] = []
        self.task_types: list[Row] = []
        self.sources: list[Row] = []
        self.webhooks: list[Row] = []
        self.widgets: list[Row] = []
        self.talks: list[Row] = []
        self.chat_messages: dict[str, Row] = {}  # by id; each with its talk_id
        self.bots: list[Row] = []
        self.files: list[Row] = []
        self.segments: list[Row] = []
        self.customer_statuses: list[Row] = []
        self.catalogs: list[Row] = []
        self.elements: dict[int, Table[Row]] = {}  # by catalog id
        self.fields: dict[str, list[Row]] = {}  # leads, …, customers/segments, catalogs/{id}
        self.field_groups: dict[str, list[Row]] = {}
        # JSON text that replaces a row in lists, by (list, id): ("leads", 1), ("notes", 2) …; for hostile data
        self.raw: dict[tuple[str, Any], bytes] = {}
        self._last_id: dict[str, int] = {}
        self._last_event = 0  # milliseconds

    def save(self, path: Path) -> None:
        """Writes the account to a file."""
        with self.lock:
            state = {name: value for name, value in vars(self).items() if name != "lock"}
            path.write_bytes(pickle.dumps(state, protocol=pickle.HIGHEST_PROTOCOL))

    @property
    def domain(self) -> str:
        return f"{self.subdomain}.{'kommo.com' if self.switches.kommo else 'amocrm.ru'}"

    def row(self, kind: str, row_id: int) -> Row:
        """Returns the live row. Raises KeyError."""
        return self.tables[kind].rows[row_id]

    def tags_of(self, kind: str, row_id: int) -> tuple[Row, ...]:
        return self.tags[kind].get(row_id, ())

    def loss_reason(self, reason_id: int | None) -> Row | None:
        return next((r for r in self.loss_reasons if r["id"] == reason_id), None)

    def pipeline(self, pipeline_id: int) -> Row:
        return next(p for p in self.pipelines if p["id"] == pipeline_id)

    def field(self, kind: str, field_id: int) -> Row:
        return next(f for f in self.fields[kind] if f["id"] == field_id)

    def shows_link(self, to: str, to_id: int) -> bool:
        """Whether a link to that row is shown. If the row left its list, `trash_links` decides."""
        return self.switches.trash_links == "kept" or (to, to_id) not in self.gone

    def linked(self, kind: str, row_id: int, to: str) -> list[int]:
        """Returns the ids in the row's `_embedded.{to}`."""
        return [i for i in self.links.of(kind, row_id, to) if self.shows_link(to, i)]

    def main_contact(self, kind: str, row_id: int) -> int | None:
        main = self.links.main.get((kind, row_id))
        return main if main is not None and self.shows_link("contacts", main) else None

    def claim_ids(self, kind: str, last: int) -> None:
        """Makes later ids of that kind larger than `last`."""
        self._last_id[kind] = max(last, self._last_id.get(kind, 0))

    def next_id(self, kind: str) -> int:
        """Returns a new id, larger than every id of that kind, with the gaps that real accounts have."""
        self._last_id[kind] = self._last_id.get(kind, 1_000_000) + self.random.randint(1, 7)
        return self._last_id[kind]

    def record(
        self,
        event_type: str,
        entity_type: str,
        entity_id: int,
        *,
        by: int,
        at: int,
        after: Sequence[dict[str, Any]] = (),
        before: Sequence[dict[str, Any]] = (),
    ) -> Event:
        """Writes an event; it shows in the list at once, or `switches.events_late` seconds later."""
        # an account's event ids sort by time, also within a second
        self._last_event = max(self._last_event + 1, at * 1000 + int(self.clock.time() * 1000) % 1000)
        event_id = ulid(self._last_event, self.random.getrandbits(80))
        event = Event(event_id, event_type, entity_id, entity_type, by, at, list(after), list(before))
        if self.switches.events_late > 0:
            heapq.heappush(self._late, (self.clock.time() + self.switches.events_late, event))
        else:
            self.events.put(event.id, event)
        return event

    def show_late_events(self, *, everything: bool = False) -> None:
        """Adds late events to the list once they are due, or all of them."""
        while self._late and (everything or self._late[0][0] <= self.clock.time()):
            event = heapq.heappop(self._late)[1]
            self.events.put(event.id, event)

    def load_events(self, events: Iterable[Event]) -> None:
        self.events.load((event.id, event) for event in events)
