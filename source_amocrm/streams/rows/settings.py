"""Rows of how the account is set up."""

from __future__ import annotations

from source_amocrm.streams.rows.record import Record
from source_amocrm.streams.rows.values import Json, Row, child

_ACCOUNT = Record("account", account_id="id")
_ROLES = Record("roles", role_id="id")
_TAGS = Record("tags", tag_id="id")
_GROUPS = Record("custom_field_groups", custom_field_group_id="id")

pipeline = Record("pipelines", pipeline_id="id")
loss_reason = Record("loss_reasons", loss_reason_id="id")
source = Record("sources", source_id="id", is_default="default")
webhook = Record("webhooks", webhook_id="id", is_disabled="disabled")
widget = Record("widgets", widget_id="id")
event_type = Record("event_types", code="key", event_type_id="type", name="lang")


def account(account: Json) -> Row:
    """The row of the account. Raises RowError without an id, as all here."""
    related = child(account, "_embedded")
    return _ACCOUNT(
        account,
        amojo_rights=child(related, "amojo_rights"),
        datetime_settings=child(related, "datetime_settings"),
    )


def role(role: Json) -> Row:
    return _ROLES(role, users=child(child(role, "_embedded"), "users"))


def tag(tag: Json, entity_type: str) -> Row:
    return _TAGS(tag, entity_type=entity_type)


def custom_field_group(group: Json, entity_type: str, catalog_id: int | None) -> Row:
    return _GROUPS(group, entity_type=entity_type, catalog_id=catalog_id or 0)
