"""How the account is set up: pipelines, reasons, tags, roles, integrations. Short lists, read whole each time."""

from __future__ import annotations

from collections.abc import Iterator

from source_amocrm.account.account import Account
from source_amocrm.streams.dictionaries import PIPELINES
from source_amocrm.streams.each import Parts, cards, catalogs, customers
from source_amocrm.streams.rows import settings
from source_amocrm.sync.tables import Dictionary, one_list
from source_amocrm.walk.listing import Row

TAGS = Parts((cards, customers), "/tags", "tags")
GROUPS = Parts((cards, customers, catalogs), "/custom_fields/groups", "custom_field_groups")


def _account(account: Account) -> Iterator[Row]:
    yield settings.account(dict(account.facts().body))


def _tags(account: Account) -> Iterator[Row]:
    for kind, tag in TAGS.rows(account):
        yield settings.tag(tag, kind.entity_type)


def _groups(account: Account) -> Iterator[Row]:
    for kind, group in GROUPS.rows(account):
        yield settings.custom_field_group(group, kind.entity_type, kind.catalog_id)


TABLES = (
    one_list("pipelines", "pipeline_id", PIPELINES, "pipelines", settings.pipeline),
    one_list("loss_reasons", "loss_reason_id", "/api/v4/leads/loss_reasons", "loss_reasons", settings.loss_reason),
    Dictionary(name="tags", key=("entity_type", "tag_id"), rows=_tags, lists=(TAGS,)),
    Dictionary(
        name="custom_field_groups",
        key=("entity_type", "catalog_id", "custom_field_group_id"),
        rows=_groups,
        lists=(GROUPS,),
    ),
    one_list("roles", "role_id", "/api/v4/roles", "roles", settings.role, {"with": "users"}),
    one_list("sources", "source_id", "/api/v4/sources", "sources", settings.source),
    one_list("webhooks", "webhook_id", "/api/v4/webhooks", "webhooks", settings.webhook),
    one_list("widgets", "widget_id", "/api/v4/widgets", "widgets", settings.widget),
    one_list("event_types", "code", "/api/v4/events/types", "events_types", settings.event_type),
    Dictionary(
        name="account",
        key=("account_id",),
        rows=_account,
        account_extras=(
            "amojo_id",
            "amojo_rights",
            "datetime_settings",
            "drive_url",
            "entity_names",
            "invoices_settings",
            "uuid",
            "version",
        ),
    ),
)
