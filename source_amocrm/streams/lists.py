"""The lists of the API that tables are made of, as data: address, filter, order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EntityList:
    """A list of entities that change.

    `name` is the key of its rows and of its place in the state; `entity` the singular that events use.
    `paid_filter`: its filter is an option of the account and is ignored, without an error, when it is off.
    `by_cursor`: it can be ordered by updated_at. `has_trash`: it shows its trash with `with=only_deleted`.
    """

    name: str
    path: str
    collection: str
    entity: str
    paid_filter: bool = False
    by_cursor: bool = True
    has_trash: bool = False


LEADS = EntityList("leads", "/api/v4/leads", "leads", "lead", paid_filter=True, has_trash=True)
CONTACTS = EntityList("contacts", "/api/v4/contacts", "contacts", "contact", paid_filter=True, has_trash=True)
COMPANIES = EntityList("companies", "/api/v4/companies", "companies", "company", paid_filter=True, has_trash=True)
TASKS = EntityList("tasks", "/api/v4/tasks", "tasks", "task", by_cursor=False)
NOTES = tuple(
    EntityList(name, f"/api/v4/{name}/notes", "notes", "note")
    for name in ("leads", "contacts", "companies", "customers")
)
EVENTS_PATH = "/api/v4/events"
"""Events do not change and document no order; amoCRM documents pages of 100 and falls back to 50 above that."""
EVENTS_LIMIT = 100
