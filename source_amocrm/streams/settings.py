"""How the account is set up: pipelines, reasons, tags, roles, integrations. Short lists, read whole each time."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.streams import relations as to
from source_amocrm.streams.base import AccountStream, FullRefreshStream
from source_amocrm.streams.dictionaries import PIPELINES
from source_amocrm.streams.per_entity import Parts, PerEntityStream, cards, catalogs, customers
from source_amocrm.streams.rows import settings
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Row


class Pipelines(FullRefreshStream):
    name = "pipelines"
    primary_key = ["pipeline_id"]
    relations = {"account_id": to.ACCOUNT}
    list_path = PIPELINES
    collection = "pipelines"

    def row(self, record: Row, context: Context) -> Row:
        return settings.pipeline(record)


class LossReasons(FullRefreshStream):
    name = "loss_reasons"
    primary_key = ["loss_reason_id"]
    list_path = "/api/v4/leads/loss_reasons"
    collection = "loss_reasons"

    def row(self, record: Row, context: Context) -> Row:
        return settings.loss_reason(record)


class Tags(PerEntityStream):
    name = "tags"
    primary_key = ["entity_type", "tag_id"]
    parts = (Parts((cards, customers), "/tags", "tags"),)

    def row(self, record: Row, context: Context) -> Row:
        return settings.tag(record, context.entity_type)


class CustomFieldGroups(PerEntityStream):
    name = "custom_field_groups"
    primary_key = ["entity_type", "catalog_id", "custom_field_group_id"]
    relations = {"catalog_id": to.CATALOG_OR_NONE}
    parts = (Parts((cards, customers, catalogs), "/custom_fields/groups", "custom_field_groups"),)

    def row(self, record: Row, context: Context) -> Row:
        return settings.custom_field_group(record, context.entity_type, context.catalog_id)


class Roles(FullRefreshStream):
    name = "roles"
    primary_key = ["role_id"]
    relations = {"users": to.USER}
    list_path = "/api/v4/roles"
    collection = "roles"
    params = {"with": "users"}

    def row(self, record: Row, context: Context) -> Row:
        return settings.role(record)


class Sources(FullRefreshStream):
    name = "sources"
    primary_key = ["source_id"]
    relations = {"pipeline_id": to.FORMER_PIPELINE}
    list_path = "/api/v4/sources"
    collection = "sources"

    def row(self, record: Row, context: Context) -> Row:
        return settings.source(record)


class Webhooks(FullRefreshStream):
    name = "webhooks"
    primary_key = ["webhook_id"]
    relations = {"created_by": to.AUTHOR, "account_id": to.ACCOUNT}
    list_path = "/api/v4/webhooks"
    collection = "webhooks"

    def row(self, record: Row, context: Context) -> Row:
        return settings.webhook(record)


class Widgets(FullRefreshStream):
    name = "widgets"
    primary_key = ["widget_id"]
    relations = {"pipeline_id": to.FORMER_PIPELINE}
    list_path = "/api/v4/widgets"
    collection = "widgets"

    def row(self, record: Row, context: Context) -> Row:
        return settings.widget(record)


class EventTypes(FullRefreshStream):
    name = "event_types"
    primary_key = ["code"]
    list_path = "/api/v4/events/types"
    collection = "events_types"

    def row(self, record: Row, context: Context) -> Row:
        return settings.event_type(record)


class TheAccount(AccountStream):
    name = "account"
    primary_key = ["account_id"]
    relations = {"current_user_id": to.USER}
    account_extras = (
        "amojo_id",
        "amojo_rights",
        "datetime_settings",
        "drive_url",
        "entity_names",
        "invoices_settings",
        "uuid",
        "version",
    )

    def records(self) -> Iterable[tuple[Row, Context]]:
        yield dict(self.account.facts().body), Context()

    def row(self, record: Row, context: Context) -> Row:
        return settings.account(record)


STREAMS = (
    Pipelines,
    LossReasons,
    Tags,
    CustomFieldGroups,
    Roles,
    Sources,
    Webhooks,
    Widgets,
    EventTypes,
    TheAccount,
)
