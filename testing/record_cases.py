"""The tables whose rows are made by their schemas: each with a record of amoCRM's and what makes its rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from source_amocrm.streams.values import Row

from .row_functions import rows, tombstone
from .sample_files import sample

Make = Callable[[Any], list[Row]]


def first(name: str, collection: str) -> Any:
    return sample(name, "_embedded", collection, 0)


def made(table: str, *context: Any, **more: Any) -> Make:
    return lambda record: rows(table, record, *context, **more)


def customer_gone(record: Any) -> list[Row]:
    known = record if isinstance(record, dict) else {}
    return [
        tombstone(
            "customers", "customer_id", *(known.get(name) for name in ("id", "account_id", "updated_by", "updated_at"))
        )
    ]


GONE = {"id": 1, "updated_by": 2, "updated_at": 1_600_000_000, "account_id": 3}
CASES: dict[str, tuple[str, Any, Make]] = {
    "customer": ("customers", first("customers_list", "customers"), made("customers")),
    "customer_tombstone": ("customers", GONE, customer_gone),
    "customer_status": (
        "customer_statuses",
        sample("customers_statuses_list", "_embedded", "statuses", 2),
        made("customer_statuses"),
    ),
    "customer_segment": (
        "customer_segments",
        first("customers_segments_list", "segments"),
        made("customer_segments"),
    ),
    "customer_transaction": (
        "customer_transactions",
        first("transactions_list", "transactions"),
        made("customer_transactions"),
    ),
    "catalog": ("catalogs", first("catalogs_list", "catalogs"), made("catalogs")),
    "catalog_element": (
        "catalog_elements",
        first("catalog_elements_list", "elements"),
        made("catalog_elements", "catalogs", 4521),
    ),
    "element_fields": (
        "custom_fields_catalog_elements",
        first("catalog_elements_list", "elements"),
        made("custom_fields_catalog_elements", zone=ZoneInfo("Europe/Moscow"), system_fields={271207: True}),
    ),
    "pipeline": ("pipelines", first("pipelines_list", "pipelines"), made("pipelines")),
    "loss_reason": ("loss_reasons", sample("recorded_loss_reason_embedded_amocrm", 0), made("loss_reasons")),
    "tag": ("tags", first("tags_list", "tags"), made("tags", "leads")),
    "custom_field_group": (
        "custom_field_groups",
        first("custom_field_group_detail", "custom_field_groups"),
        made("custom_field_groups", "catalogs", 4521),
    ),
    "role": ("roles", first("roles_list_with_users", "roles"), made("roles")),
    "source": ("sources", first("sources_list", "sources"), made("sources")),
    "webhook": ("webhooks", first("webhooks_list", "webhooks"), made("webhooks")),
    "widget": ("widgets", first("widgets_list", "widgets"), made("widgets")),
    "event_type": ("event_types", first("recorded_events_types_amocrm", "events_types"), made("event_types")),
    "account": ("account", sample("account"), made("account")),
    "unsorted": ("unsorted", first("unsorted_list", "unsorted"), made("unsorted")),
    "file": ("files", first("files_list", "files"), made("files")),
    "talk": ("talks", sample("talk_detail"), made("talks")),
    "talk_of_2026": ("talks", first("talks_list_2026", "talks"), made("talks")),
}
