"""The changing lists of the API that tables are made of, as data: address, filter, order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from source_amocrm.errors import AmocrmError, Forbidden

CLOSED: tuple[type[AmocrmError], ...] = (Forbidden,)
"""If a list is refused with one of these, tables that take a column from it are read without that column."""
SCOPE_NAMES = {"files": "Доступ к файлам", "list_external_messages": "История внешних чатов"}
"""The scopes beyond the account's data, and their names in the settings of an integration."""


@dataclass(frozen=True)
class Resource:
    """A list of entities, notes or events.

    `name`: its name in a state; `entity`: the singular that events use; `cursor`: the field that dates its rows.
    `paid_filter`: its filter is a paid option of the account, and is ignored without an error while it is off.
    `by_cursor`: it can be ordered by updated_at. `has_trash`: it shows its trash with `with=only_deleted`.
    `has_links`: its rows show links and tags, the links to other cards with the `with` parameter `links_with`.
    `optional`: it belongs to a part of amoCRM that not every account has. `belongs_to`: the lists of the cards that its
    rows belong to, which it can be filtered by.
    """

    name: str
    entity: str
    paid_filter: bool = False
    by_cursor: bool = True
    has_trash: bool = False
    has_links: bool = False
    optional: bool = False
    cursor: str = "updated_at"
    links_with: str = ""
    belongs_to: tuple[str, ...] = ()

    @property
    def holds_notes(self) -> bool:
        """Whether the rows are the notes of the list `name`. Events of that list's entities tell of deleted notes."""
        return self.entity == "note"

    @property
    def path(self) -> str:
        return f"/api/v4/{self.name}/notes" if self.holds_notes else f"/api/v4/{self.name}"

    @property
    def collection(self) -> str:
        return "notes" if self.holds_notes else self.name


_card = partial(Resource, paid_filter=True, has_links=True)
LEADS = _card("leads", "lead", has_trash=True, links_with="contacts")
CONTACTS = _card("contacts", "contact", has_trash=True, links_with="leads,customers")
COMPANIES = _card("companies", "company", has_trash=True, links_with="leads,customers,contacts")
CUSTOMERS = _card("customers", "customer", optional=True, links_with="contacts,companies")
CARDS = (LEADS, CONTACTS, COMPANIES, CUSTOMERS)
TASKS = Resource("tasks", "task", by_cursor=False, belongs_to=tuple(card.name for card in CARDS))
NOTES = tuple(Resource(card.name, "note", optional=card.optional, belongs_to=(card.name,)) for card in CARDS)
EVENTS = Resource("events", "event", by_cursor=False, cursor="created_at")
"""Events do not change, and no order of their list is documented."""
