"""The lists that the probe requests, as data."""

from __future__ import annotations

from dataclasses import dataclass, field

from source_amocrm.account import events_page_size, resources
from source_amocrm.account.resources import Resource


@dataclass(frozen=True)
class List:
    """`cursor`: the column by which it is filtered and ordered. `limit`: the largest documented page (rows)."""

    name: str
    path: str
    collection: str
    withs: str = ""
    limit: int = 250
    cursor: str = "updated_at"
    paid_filter: bool = False
    ordered: bool = True
    params: dict[str, str | int] = field(default_factory=dict)


def _changing(resource: Resource, withs: str = "", name: str = "", limit: int = 250) -> List:
    return List(
        name or resource.name,
        resource.path,
        resource.collection,
        withs,
        limit,
        resource.cursor,
        paid_filter=resource.paid_filter,
        ordered=resource.by_cursor,
    )


_CARDS = (resources.LEADS, resources.CONTACTS, resources.COMPANIES, resources.CUSTOMERS)
CARDS = (
    _changing(resources.LEADS, "contacts,loss_reason,catalog_elements,is_price_modified_by_robot,source_id,source"),
    _changing(resources.CONTACTS, "leads,customers,catalog_elements"),
    _changing(resources.COMPANIES, "contacts,leads,customers,catalog_elements"),
    _changing(resources.CUSTOMERS, "contacts,companies,catalog_elements"),
)
TASKS = _changing(resources.TASKS)
NOTES = tuple(
    _changing(notes, "is_pinned", f"{card.entity}_notes") for card, notes in zip(_CARDS, resources.NOTES, strict=True)
)
EVENTS = _changing(resources.EVENTS, limit=events_page_size.DOCUMENTED)
OTHERS = (
    List("users", "/api/v4/users", "users", "role,group"),
    List("pipelines", "/api/v4/leads/pipelines", "pipelines"),
    List("loss_reasons", "/api/v4/leads/loss_reasons", "loss_reasons"),
    List("unsorted", "/api/v4/leads/unsorted", "unsorted"),
    List("lead_fields", "/api/v4/leads/custom_fields", "custom_fields"),
    List("contact_fields", "/api/v4/contacts/custom_fields", "custom_fields"),
    List("company_fields", "/api/v4/companies/custom_fields", "custom_fields"),
    List("customer_fields", "/api/v4/customers/custom_fields", "custom_fields"),
    List("catalogs", "/api/v4/catalogs", "catalogs"),
    List("transactions", "/api/v4/customers/transactions", "transactions"),
    List("talks", "/api/v4/talks", "talks"),
    List("event_types", "/api/v4/events/types", "events_types"),
)
LISTS = {one.name: one for one in (*CARDS, TASKS, *NOTES, EVENTS, *OTHERS)}
SINGULAR = {card.name: card.entity for card in _CARDS}
"""By a list of cards, the kind of its entities in events."""
CARD_NAMES = tuple(SINGULAR)
