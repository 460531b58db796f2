"""The account itself and what is connected to it: sources, webhooks, widgets."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.streams import relations as to
from source_amocrm.streams.base import AccountStream, FullRefreshStream
from source_amocrm.streams.values import Row
from source_amocrm.sync.declaration import Context


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


class Sources(FullRefreshStream):
    name = "sources"
    primary_key = ["source_id"]
    relations = {"pipeline_id": to.FORMER_PIPELINE}
    list_path = "/api/v4/sources"
    collection = "sources"


class Webhooks(FullRefreshStream):
    name = "webhooks"
    primary_key = ["webhook_id"]
    relations = {"created_by": to.AUTHOR, "account_id": to.ACCOUNT}
    list_path = "/api/v4/webhooks"
    collection = "webhooks"


class Widgets(FullRefreshStream):
    name = "widgets"
    primary_key = ["widget_id"]
    relations = {"pipeline_id": to.FORMER_PIPELINE}
    list_path = "/api/v4/widgets"
    collection = "widgets"
