"""Which fields of amoCRM's lists the tables hold, and which they leave out on purpose: one declaration a list.

What stands in none of these is new: the log of a sync names it (see `account/census.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from source_amocrm.account import event_kinds
from source_amocrm.account.census import Fields
from source_amocrm.account.resources import COMPANIES, CONTACTS, CUSTOMERS, EVENTS, LEADS, NOTES, TASKS
from source_amocrm.http.api import ACCOUNT_PATH
from source_amocrm.streams.rows.activity import ELEMENT_TYPE
from source_amocrm.streams.rows.dictionaries import NOTE_TYPES


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FIELD_TYPES = _words(
    """
    text numeric textarea price streetaddress tracking_data monetary checkbox url date date_time birthday
    select multiselect radiobutton category multitext smart_address legal_entity items linked_entity chained_list
    file payer supplier org_legal_name
    """
)
"""The types of custom fields that amoCRM documents, or its own library knows."""

_CATALOG = re.compile(r"catalog_\d{1,18}", re.ASCII)


def _fields(held: str, left_out: str = "", collection: str = "", **inside: Fields) -> Fields:
    return Fields(_words(held), _words(left_out), inside, {}, collection)


def _list(collection: str, held: str, left_out: str = "", **inside: Fields) -> Fields:
    return _fields(held, left_out, collection, **inside)


def _typed(fields: Fields, **types: Callable[[str], bool]) -> Fields:
    return replace(fields, types=types)


def _embedded(left_out: str = "", **inside: Fields) -> Fields:
    return _fields("", left_out, "", **inside)


def _one_of(known: Collection[str]) -> Callable[[str], bool]:
    return frozenset(known).__contains__


def _kind_of_event(kind: str) -> bool:
    return kind in event_kinds.KINDS or event_kinds.FIELD.fullmatch(kind) is not None


def _entity_of_event(entity: str) -> bool:
    return entity in event_kinds.ENTITIES or _CATALOG.fullmatch(entity) is not None


_ID = _fields("id")
_TAGS = _fields("id name color")
_CONTACTS = _fields("id is_main")
_ELEMENTS = _fields("id quantity catalog_id price_id metadata")
_STAMPS = "created_by updated_by created_at updated_at"
_CARD = f"id name responsible_user_id {_STAMPS} account_id closest_task_at custom_fields_values is_deleted"

_LEADS = _list(
    "leads",
    f"{_CARD} group_id price price_with_minor_units status_id pipeline_id loss_reason_id source_id closed_at score "
    "labor_cost is_price_modified_by_robot is_price_computed",
    _embedded=_embedded(
        tags=_TAGS,
        companies=_ID,
        contacts=_CONTACTS,
        catalog_elements=_ELEMENTS,
        loss_reason=_fields("name", "id sort created_at updated_at"),
        source=_fields("id name external_id type"),
    ),
)
_LINKED = {"tags": _TAGS, "leads": _ID, "customers": _ID, "catalog_elements": _ELEMENTS}
_CUSTOMERS = _list(
    "customers",
    f"{_CARD} status_id next_price next_price_with_minor_units next_date periodicity ltv purchases_count average_check",
    _embedded=_embedded(tags=_TAGS, segments=_ID, companies=_ID, contacts=_CONTACTS, catalog_elements=_ELEMENTS),
)
_TASKS = _typed(
    _list(
        "tasks",
        f"id responsible_user_id group_id {_STAMPS} account_id entity_id entity_type duration is_completed is_deleted "
        "task_type_id text complete_till",
        result=_fields("text", "id"),
    ),
    entity_type=_one_of(ELEMENT_TYPE),
)
_NOTES = _typed(
    _list(
        "notes",
        f"id entity_id responsible_user_id group_id {_STAMPS} account_id note_type params is_pinned is_deleted",
    ),
    note_type=_one_of({row["code"] for row in NOTE_TYPES}),
)
_EVENTS = _typed(
    _list(
        "events",
        "id type entity_id entity_type created_by created_at value_after value_before account_id "
        "linked_talk_contact_id",
        _embedded=_embedded(entity=_fields("linked_talk_contact_id", "id")),
    ),
    type=_kind_of_event,
    entity_type=_entity_of_event,
)
_CUSTOM_FIELDS = _typed(
    _list(
        "custom_fields",
        "id name type code sort group_id enums nested catalog_id is_predefined is_deletable is_api_only is_computed "
        "is_required is_visible required_statuses hidden_statuses currency settings chained_lists remind search_in "
        "tracking_callback",
        "account_id entity_type",  # the list that a field comes in tells its kind of entities
    ),
    type=_one_of(FIELD_TYPES),
)
_GROUPS = _list("custom_field_groups", "id name is_predefined type sort", "entity_type")
_OF_ENTITIES: Mapping[str, tuple[str, ...]] = {
    "custom_fields": ("leads", "contacts", "companies", "customers", "customers/segments", "catalogs"),
    "custom_fields/groups": ("leads", "contacts", "companies", "customers", "catalogs"),
    "tags": ("leads", "contacts", "companies", "customers"),
}
_PARTS = {"custom_fields": _CUSTOM_FIELDS, "custom_fields/groups": _GROUPS, "tags": _list("tags", "id name color")}

KNOWN: Mapping[str, Fields] = {
    ACCOUNT_PATH: _fields(
        "id name subdomain current_user_id country customers_mode is_unsorted_on is_loss_reason_enabled "
        "is_helpbot_enabled is_technical_account is_api_filter_enabled contact_name_display_order amojo_id uuid "
        "version drive_url invoices_settings entity_names",
        _embedded=_fields(
            "amojo_rights datetime_settings",
            users_groups=_fields("id name", "uuid"),
            task_types=_fields("id name code color icon_id"),
        ),
    ),
    LEADS.path: _LEADS,
    CONTACTS.path: _list(
        "contacts",
        f"{_CARD} group_id first_name last_name is_unsorted",
        _embedded=_embedded("", companies=_ID, **_LINKED),
    ),
    COMPANIES.path: _list("companies", f"{_CARD} group_id", _embedded=_embedded("", contacts=_ID, **_LINKED)),
    CUSTOMERS.path: _CUSTOMERS,
    TASKS.path: _TASKS,
    **{resource.path: _NOTES for resource in NOTES},
    EVENTS.path: _EVENTS,
    "/api/v4/events/types": _typed(_list("events_types", "key type lang"), key=_kind_of_event),
    "/api/v4/leads/pipelines": _list(
        "pipelines",
        "id name sort is_main is_unsorted_on is_archive account_id",
        _embedded=_embedded(statuses=_fields("id name sort type color is_editable", "pipeline_id account_id")),
    ),
    "/api/v4/leads/loss_reasons": _list("loss_reasons", "id name sort created_at updated_at"),
    "/api/v4/users": _list(
        "users",
        "id name email lang rights phone_number uuid amojo_id user_rank",
        _embedded=_embedded(roles=_fields("id", "name"), groups=_fields("id", "name")),
    ),
    "/api/v4/roles": _list("roles", "id name rights", _embedded=_embedded(users=_ID)),
    "/api/v4/sources": _list("sources", "id name pipeline_id external_id default origin_code services"),
    "/api/v4/webhooks": _list(
        "webhooks", "id destination created_at updated_at account_id created_by sort disabled settings"
    ),
    "/api/v4/widgets": _list(
        "widgets",
        "id code version rating settings_template is_lead_source is_work_with_dp is_crm_template client_uuid "
        "is_active_in_account pipeline_id",
    ),
    "/api/v4/catalogs": _list(
        "catalogs",
        f"id name type {_STAMPS} sort can_add_elements can_show_in_cards can_link_multiple can_be_deleted "
        "sdk_widget_code account_id",
    ),
    "/api/v4/catalogs/elements": _list(
        "elements", f"id name {_STAMPS} is_deleted custom_fields_values catalog_id account_id"
    ),
    "/api/v4/customers/statuses": _list("statuses", "id name sort is_default conditions color type account_id"),
    "/api/v4/customers/segments": _list(
        "segments",
        "id name color created_at updated_at account_id available_products_price_types customers_count "
        "custom_fields_values",
    ),
    "/api/v4/customers/transactions": _list(
        "transactions",
        f"id customer_id price price_with_minor_units comment completed_at {_STAMPS} is_deleted account_id",
        _embedded=_embedded("customer", catalog_elements=_ELEMENTS),
    ),
    "/api/v4/leads/unsorted": _list(
        "unsorted",
        "uid source_uid source_name category pipeline_id created_at metadata account_id",
        _embedded=_embedded(leads=_ID, contacts=_ID, companies=_ID),
    ),
    "/api/v4/talks": _list(
        "talks",
        "talk_id created_at updated_at rate contact_id chat_id entity_id entity_type status is_in_work is_read origin "
        "source_id missed_at account_id",
        _embedded=_embedded(leads=_ID, contacts=_ID, customers=_ID),
    ),
    "/v1.0/files": _list(
        "files",
        "id uuid version_uuid has_multiple_versions name sanitized_name type size metadata previews source_id "
        "created_at updated_at is_trashed deleted_at",
        "session_id",
        created_by=_fields("id type"),
        updated_by=_fields("id type"),
        deleted_by=_fields("id type"),
    ),
    **{f"/api/v4/{of}/{part}": _PARTS[part] for part, kinds in _OF_ENTITIES.items() for of in kinds},
}
"""By the path of the list, without ids."""
