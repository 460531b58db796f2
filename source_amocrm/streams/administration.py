"""The account itself, its users and customers, and its connections: sources, webhooks, widgets, files."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account.availability import whole
from source_amocrm.account.resources import CUSTOMERS
from source_amocrm.config.trusted_hosts import service_url
from source_amocrm.engine.stream_interface import Context
from source_amocrm.errors import AmocrmError, FeatureOff
from source_amocrm.http import Fetch, files_host_api
from source_amocrm.streams import schema
from source_amocrm.streams.base import AccountStream, FullRefreshStream, IncrementalStream
from source_amocrm.streams.per_entity import SEGMENTS
from source_amocrm.streams.values import Row, exact_amount, main_contact
from source_amocrm.walk.listing import Listing


class Customers(IncrementalStream):
    name = "customers"
    resources = (CUSTOMERS,)
    deletable = True
    found = {"main_contact": main_contact, "next_price": exact_amount("next_price")}


OF_CUSTOMERS = [
    FullRefreshStream.table("customer_statuses", list_path=f"{CUSTOMERS.path}/statuses"),
    FullRefreshStream.table("customer_segments", list_path=SEGMENTS),
    FullRefreshStream.table(
        "customer_transactions", list_path=f"{CUSTOMERS.path}/transactions", found={"price": exact_amount("price")}
    ),
]


class TheAccount(AccountStream):
    name = "account"
    account_extras = tuple(extra for column in schema.columns("account") for extra in column.extras)

    def records(self) -> Iterable[tuple[Row, Context]]:
        yield dict(self.account.facts().body), Context()


OF_ACCOUNT = [
    FullRefreshStream.table("users", list_path="/api/v4/users", in_every_account=True),
    AccountStream.table("groups", collection="users_groups", account_extras=("users_groups",)),
    FullRefreshStream.table("roles", list_path="/api/v4/roles"),
    FullRefreshStream.table("sources", list_path="/api/v4/sources"),
    FullRefreshStream.table("webhooks", list_path="/api/v4/webhooks"),
    FullRefreshStream.table("widgets", list_path="/api/v4/widgets"),
]


class Files(FullRefreshStream):
    """`/account` names the host of the list, the drive (`drive_url`)."""

    name = "files"
    list_path = "/v1.0/files"
    account_extras = ("drive_url",)
    scope = "files"
    page_size = 50  # amoCRM documents no maximum; its own PHP library requests 50

    def records(self) -> Iterable[tuple[Row, Context]]:
        listing = Listing(self.fetch, self.list_path, self.collection, self.page_size, pool=self.account.pool)
        return ((record, Context()) for record in whole(listing))

    @property
    def fetch(self) -> Fetch:
        """The GET of the drive. Raises FeatureOff if there is no drive, AmocrmError if that must not get the token."""
        drive_url = self.account.facts().body.get("drive_url")
        if not drive_url:
            raise FeatureOff("The account names no host of files (drive_url).", path=self.list_path)
        config = self.account.config
        base_url = config.base_url if config.overridden else service_url(drive_url)
        if base_url is None:
            raise AmocrmError(
                "The account names a host of files (drive_url) that is not amoCRM's or Kommo's, so the token is not "
                "sent there. Leave the table out, and ask amoCRM's support about that address."
            )
        return files_host_api(self.account.api, base_url).get
