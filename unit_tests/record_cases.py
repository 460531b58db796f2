"""The tables whose rows are made by their schemas: each with a record of amoCRM's and what makes its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from source_amocrm.streams.rows import catalogs, customers, field_values, files, incoming, settings, tombstones
from source_amocrm.streams.rows.values import Row
from unit_tests.sample_files import sample

Make = Callable[[Any], list[Row]]


def first(name: str, collection: str) -> Any:
    return sample(name, "_embedded", collection, 0)


def one(make: Callable[..., Row], *more: Any) -> Make:
    return lambda record: [make(record, *more)]


def customer_gone(record: Any) -> list[Row]:
    known = record if isinstance(record, dict) else {}
    return [tombstones.customer(*(known.get(name) for name in ("id", "account_id", "updated_by", "updated_at")))]


def element_values(record: Any) -> list[Row]:
    return field_values.element_fields(record, timezone=ZoneInfo("Europe/Moscow"), system_fields={271207: True})


GONE = {"id": 1, "updated_by": 2, "updated_at": 1_600_000_000, "account_id": 3}
CASES: dict[str, tuple[str, Any, Make]] = {
    "customer": ("customers", first("customers_list", "customers"), one(customers.customer)),
    "customer_tombstone": ("customers", GONE, customer_gone),
    "customer_status": (
        "customer_statuses",
        sample("customers_statuses_list", "_embedded", "statuses", 2),
        one(customers.customer_status),
    ),
    "customer_segment": (
        "customer_segments",
        first("customers_segments_list", "segments"),
        one(customers.customer_segment),
    ),
    "customer_transaction": (
        "customer_transactions",
        first("transactions_list", "transactions"),
        one(customers.customer_transaction),
    ),
    "catalog": ("catalogs", first("catalogs_list", "catalogs"), one(catalogs.catalog)),
    "catalog_element": (
        "catalog_elements",
        first("catalog_elements_list", "elements"),
        one(catalogs.catalog_element, 4521),
    ),
    "element_fields": (
        "custom_fields_catalog_elements",
        first("catalog_elements_list", "elements"),
        element_values,
    ),
    "pipeline": ("pipelines", first("pipelines_list", "pipelines"), one(settings.pipeline)),
    "loss_reason": ("loss_reasons", sample("recorded_loss_reason_embedded_amocrm", 0), one(settings.loss_reason)),
    "tag": ("tags", first("tags_list", "tags"), one(settings.tag, "leads")),
    "custom_field_group": (
        "custom_field_groups",
        first("custom_field_group_detail", "custom_field_groups"),
        one(settings.custom_field_group, "catalogs", 4521),
    ),
    "role": ("roles", first("roles_list_with_users", "roles"), one(settings.role)),
    "source": ("sources", first("sources_list", "sources"), one(settings.source)),
    "webhook": ("webhooks", first("webhooks_list", "webhooks"), one(settings.webhook)),
    "widget": ("widgets", first("widgets_list", "widgets"), one(settings.widget)),
    "event_type": ("event_types", first("recorded_events_types_amocrm", "events_types"), one(settings.event_type)),
    "account": ("account", sample("account"), one(settings.account)),
    "unsorted": ("unsorted", first("unsorted_list", "unsorted"), one(incoming.unsorted)),
    "file": ("files", first("files_list", "files"), one(files.file)),
    "talk": ("talks", sample("talk_detail"), one(incoming.talk)),
    "talk_of_2026": ("talks", first("talks_list_2026", "talks"), one(incoming.talk)),
}
