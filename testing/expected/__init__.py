"""The oracle of exactness tests: builds the rows that the tables must hold from the sandbox's raw rows alone.

Imports nothing of the connector. Written from the table catalog and amoCRM's documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sandbox.account import Account

from . import communication, history, links
from .activity import events, notes, tasks
from .catalogs import catalog_elements, catalogs, custom_fields_catalog_elements
from .common import Row
from .customers import customer_segments, customer_statuses, customer_transactions, customers
from .deals import deal_statuses, deals
from .dictionaries import custom_fields, element_types, groups, note_types, statuses, task_types, users
from .field_values import (
    custom_fields_companies,
    custom_fields_contacts,
    custom_fields_customers,
    custom_fields_deals,
)
from .files import files
from .incoming import bots, event_types, talks, unsorted
from .live import live_entities
from .people import companies, contacts
from .reading import read
from .settings import account as own_account
from .settings import custom_field_groups, loss_reasons, pipelines, roles, sources, tags, webhooks, widgets
from .tombstones import buried

KEYS_OF: dict[Callable[[Account], list[Row]], tuple[str, ...]] = {
    deals: ("lead_id",),
    custom_fields_deals: ("lead_id", "custom_field_id", "value_index"),
    contacts: ("contact_id",),
    companies: ("company_id",),
    statuses: ("pipeline_id", "status_id"),
    users: ("user_id",),
    groups: ("group_id",),
    note_types: ("code",),
    task_types: ("task_type_id",),
    element_types: ("element_type_id",),
    deal_statuses: ("note_id",),
    notes: ("element_type", "note_id"),
    tasks: ("task_id",),
    events: ("event_id",),
    custom_fields: ("entity_type", "custom_field_id"),
    custom_fields_contacts: ("contact_id", "custom_field_id", "value_index"),
    custom_fields_companies: ("company_id", "custom_field_id", "value_index"),
    customers: ("customer_id",),
    custom_fields_customers: ("customer_id", "custom_field_id", "value_index"),
    customer_statuses: ("customer_status_id",),
    customer_segments: ("segment_id",),
    customer_transactions: ("transaction_id",),
    catalogs: ("catalog_id",),
    catalog_elements: ("catalog_id", "catalog_element_id"),
    custom_fields_catalog_elements: ("catalog_element_id", "custom_field_id", "value_index"),
    pipelines: ("pipeline_id",),
    loss_reasons: ("loss_reason_id",),
    tags: ("entity_type", "tag_id"),
    custom_field_groups: ("entity_type", "catalog_id", "custom_field_group_id"),
    roles: ("role_id",),
    sources: ("source_id",),
    webhooks: ("webhook_id",),
    widgets: ("widget_id",),
    event_types: ("code",),
    own_account: ("account_id",),
    unsorted: ("unsorted_id",),
    talks: ("talk_id",),
    bots: ("bot_id",),
    files: ("file_uuid",),
    live_entities: ("entity_type", "entity_id"),
    **links.KEYS_OF,
    **history.KEYS_OF,
    **communication.KEYS_OF,
}
"""The columns of each table's key, by the function that builds the table's rows."""
KEYS: dict[str, tuple[str, ...]] = {build.__name__: key for build, key in KEYS_OF.items()}
BUILDS = {build.__name__: build for build in KEYS_OF}


def tables(account: Account, names: Iterable[str] = KEYS) -> dict[str, list[Row]]:
    """Returns every live row of these tables, as a full sync must deliver it while nobody writes."""
    with account.lock:
        account.show_late_events()
        return read(account, {name: BUILDS[name](account) for name in names}, number=1)


def table(account: Account, name: str) -> list[Row]:
    return tables(account, [name])[name]


def tombstones(account: Account) -> dict[str, list[Row]]:
    """Returns the rows of cards, tasks and common notes that were deleted with an event and not restored."""
    return read(account, buried(account), number=2)


def merged(account: Account) -> dict[str, list[int]]:
    """Returns the ids of victims of merges by table. No event has to name a victim."""
    names = {"leads": "deals", "contacts": "contacts", "companies": "companies", "customers": "customers"}
    found: dict[str, list[int]] = {name: [] for name in names.values()}
    for gone in account.gone.values():
        if gone.how == "merge" and gone.kind in names:
            found[names[gone.kind]].append(gone.id)
    return found


__all__ = ["KEYS", "Row", "merged", "table", "tables", "tombstones"]
