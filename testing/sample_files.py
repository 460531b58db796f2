"""Real JSON of amoCRM, one file an answer: its documentation's examples and anonymised recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "samples"


def sample(name: str, *path: str | int) -> Any:
    """The JSON of a sample file, or what stands at the path inside it."""
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for step in path:
        found = found[step]
    return found


LISTS = {
    "account": "/api/v4/account",
    "catalog_elements_list": "/api/v4/catalogs/4521/elements",
    "catalogs_list": "/api/v4/catalogs",
    "companies_list": "/api/v4/companies",
    "company_detail": "/api/v4/companies/1",
    "contact_detail_with_all": "/api/v4/contacts/3",
    "contacts_list": "/api/v4/contacts",
    "contacts_list_kommo": "/api/v4/contacts",
    "custom_field_category_nested": "/api/v4/catalogs/4521/custom_fields/1",
    "custom_field_create_response_multiselect": "/api/v4/leads/custom_fields",
    "custom_field_detail": "/api/v4/leads/custom_fields/1",
    "custom_field_group_detail": "/api/v4/leads/custom_fields/groups",
    "custom_fields_list": "/api/v4/leads/custom_fields",
    "custom_fields_update_response": "/api/v4/catalogs/4521/custom_fields",
    "customer_with_minor_units": "/api/v4/customers/1",
    "customers_list": "/api/v4/customers",
    "customers_segments_list": "/api/v4/customers/segments",
    "customers_statuses_list": "/api/v4/customers/statuses",
    "event_detail": "/api/v4/events/1",
    "events_chat_messages": "/api/v4/events",
    "events_list": "/api/v4/events",
    "files_list": "/v1.0/files",
    "lead_detail_with_all": "/api/v4/leads/1",
    "lead_only_deleted_item": "/api/v4/leads/1",
    "lead_with_minor_units": "/api/v4/leads/1",
    "leads_list": "/api/v4/leads",
    "note_detail": "/api/v4/leads/notes/1",
    "note_pinned": "/api/v4/leads/notes/1",
    "notes_list_by_entity": "/api/v4/leads/notes",
    "notes_list_by_type": "/api/v4/leads/notes",
    "pipelines_list": "/api/v4/leads/pipelines",
    "recorded_contact_amocrm": "/api/v4/contacts/1",
    "recorded_events_types_amocrm": "/api/v4/events/types",
    "recorded_lead_custom_fields_kommo": "/api/v4/leads/1",
    "recorded_leads_page_amocrm": "/api/v4/leads",
    "roles_list_with_users": "/api/v4/roles",
    "sources_list": "/api/v4/sources",
    "tags_list": "/api/v4/leads/tags",
    "talk_detail": "/api/v4/talks/117",
    "talks_list_2026": "/api/v4/talks",
    "task_complete_response": "/api/v4/tasks/1",
    "task_detail": "/api/v4/tasks/1",
    "tasks_list": "/api/v4/tasks",
    "transaction_with_minor_units": "/api/v4/customers/transactions/1",
    "transactions_list": "/api/v4/customers/transactions",
    "unsorted_list": "/api/v4/leads/unsorted",
    "user_detail": "/api/v4/users/1",
    "users_list": "/api/v4/users",
    "webhooks_list": "/api/v4/webhooks",
    "widgets_list": "/api/v4/widgets",
}
"""By the sample of an answer, the path that it came from."""
