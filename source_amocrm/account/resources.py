"""The lists of the API that tables are made of, as data: address, filter, order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from source_amocrm.errors import AmocrmError, Forbidden

CLOSED: tuple[type[AmocrmError], ...] = (Forbidden,)
"""The refusals of a list with which the tables that take a column from it are read all the same."""


SCOPES = {"files": "Доступ к файлам"}
"""What a token may be granted besides the account's data, and how the settings of an integration call it."""


@dataclass(frozen=True)
class EntityList:
    """A list of entities that change.

    `name` is the key of its rows and of its place in the state; `entity` the singular that events use.
    `paid_filter`: its filter is an option of the account and is ignored, without an error, when it is off.
    `by_cursor`: it can be ordered by updated_at. `has_trash`: it shows its trash with `with=only_deleted`.
    `has_links`: its rows show links and tags. `optional`: it is of a part that not every account has.
    """

    name: str
    path: str
    collection: str
    entity: str
    paid_filter: bool = False
    by_cursor: bool = True
    has_trash: bool = False
    has_links: bool = False
    optional: bool = False


_card = partial(EntityList, paid_filter=True, has_links=True)
LEADS = _card("leads", "/api/v4/leads", "leads", "lead", has_trash=True)
CONTACTS = _card("contacts", "/api/v4/contacts", "contacts", "contact", has_trash=True)
COMPANIES = _card("companies", "/api/v4/companies", "companies", "company", has_trash=True)
CUSTOMERS = _card("customers", "/api/v4/customers", "customers", "customer", optional=True)
TASKS = EntityList("tasks", "/api/v4/tasks", "tasks", "task", by_cursor=False)
NOTES = (
    EntityList("leads", "/api/v4/leads/notes", "notes", "note"),
    EntityList("contacts", "/api/v4/contacts/notes", "notes", "note"),
    EntityList("companies", "/api/v4/companies/notes", "notes", "note"),
    EntityList("customers", "/api/v4/customers/notes", "notes", "note", optional=True),
)
LOST = 143
"""amoCRM's own stage «Закрыто и не реализовано», the same in every pipeline."""
EVENTS_PATH = "/api/v4/events"
"""Events do not change and document no order; amoCRM documents pages of 100 and falls back to 50 above that."""
EVENTS_LIMIT = 100
