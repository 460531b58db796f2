"""How the account is set up: pipelines, reasons, tags, roles, integrations. Short lists, read whole each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from source_amocrm.account.account import Account
from source_amocrm.account.resources import ABSENT
from source_amocrm.streams.each import cards, catalogs, customers, each
from source_amocrm.streams.rows import settings
from source_amocrm.sync.tables import Dictionary
from source_amocrm.walk.listing import Params, Row

ROLES = "/api/v4/roles"
"""Only administrators see roles and sources; one request tells of both."""
WEBHOOKS = "/api/v4/webhooks"


def _list(
    path: str, collection: str, row: Callable[[Row], Row], params: Params | None = None
) -> Callable[[Account], Iterable[Row]]:
    return lambda account: map(row, account.dictionary(path, collection, params))


def _account(account: Account) -> Iterator[Row]:
    yield settings.account(dict(account.facts().body))


def _tags(account: Account) -> Iterator[Row]:
    for kind, tag in each(account, cards, customers, part="/tags", collection="tags"):
        yield settings.tag(tag, kind.entity_type)


def _groups(account: Account) -> Iterator[Row]:
    found = each(account, cards, customers, catalogs, part="/custom_fields/groups", collection="custom_field_groups")
    for kind, group in found:
        yield settings.custom_field_group(group, kind.entity_type, kind.catalog_id)


TABLES = (
    Dictionary(
        name="pipelines",
        key=("pipeline_id",),
        rows=_list("/api/v4/leads/pipelines", "pipelines", settings.pipeline),
        probe="/api/v4/leads/pipelines",
    ),
    Dictionary(
        name="loss_reasons",
        key=("loss_reason_id",),
        rows=_list("/api/v4/leads/loss_reasons", "loss_reasons", settings.loss_reason),
        absent=ABSENT,
    ),
    Dictionary(name="tags", key=("entity_type", "tag_id"), rows=_tags),
    Dictionary(name="custom_field_groups", key=("entity_type", "catalog_id", "custom_field_group_id"), rows=_groups),
    Dictionary(
        name="roles",
        key=("role_id",),
        rows=_list(ROLES, "roles", settings.role, {"with": "users"}),
        absent=ABSENT,
        probe=ROLES,
    ),
    Dictionary(
        name="sources",
        key=("source_id",),
        rows=_list("/api/v4/sources", "sources", settings.source),
        absent=ABSENT,
        probe=ROLES,
    ),
    Dictionary(
        name="webhooks",
        key=("webhook_id",),
        rows=_list(WEBHOOKS, "webhooks", settings.webhook),
        absent=ABSENT,
        probe=WEBHOOKS,
    ),
    Dictionary(
        name="widgets", key=("widget_id",), rows=_list("/api/v4/widgets", "widgets", settings.widget), absent=ABSENT
    ),
    Dictionary(
        name="event_types",
        key=("code",),
        rows=_list("/api/v4/events/types", "events_types", settings.event_type),
        absent=ABSENT,
    ),
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
