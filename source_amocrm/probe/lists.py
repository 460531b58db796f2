"""The lists that are asked, as data: where they stand, and what they are asked with."""

from __future__ import annotations

from dataclasses import dataclass, field

from source_amocrm.account import resources


@dataclass(frozen=True)
class List:
    """`cursor`: the time that its filter and its order go by; `limit`: the largest page that is documented."""

    name: str
    path: str
    collection: str
    withs: str = ""
    limit: int = 250
    cursor: str = "updated_at"
    paid_filter: bool = False
    ordered: bool = True
    params: dict[str, str | int] = field(default_factory=dict)


CARDS = (
    List(
        "leads",
        "/api/v4/leads",
        "leads",
        "contacts,loss_reason,catalog_elements,is_price_modified_by_robot,source_id,source",
        paid_filter=True,
    ),
    List("contacts", "/api/v4/contacts", "contacts", "leads,customers,catalog_elements", paid_filter=True),
    List("companies", "/api/v4/companies", "companies", "contacts,leads,customers,catalog_elements", paid_filter=True),
    List("customers", "/api/v4/customers", "customers", "contacts,companies,catalog_elements", paid_filter=True),
)
TASKS = List("tasks", "/api/v4/tasks", "tasks", ordered=False)
NOTES = (
    List("lead_notes", "/api/v4/leads/notes", "notes", "is_pinned"),
    List("contact_notes", "/api/v4/contacts/notes", "notes", "is_pinned"),
    List("company_notes", "/api/v4/companies/notes", "notes", "is_pinned"),
    List("customer_notes", "/api/v4/customers/notes", "notes", "is_pinned"),
)
EVENTS = List(
    "events",
    resources.EVENTS.path,
    "events",
    limit=resources.EVENTS_LIMIT,
    cursor=resources.EVENTS.cursor,
    ordered=False,
)
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
SINGULAR = {"leads": "lead", "contacts": "contact", "companies": "company", "customers": "customer"}
"""As events name the entities."""
CARD_NAMES = tuple(SINGULAR)
