"""The account's files. `/account` names the host of their list, the drive (`drive_url`)."""

from __future__ import annotations

from collections.abc import Iterable

from source_amocrm.account import Account
from source_amocrm.account.availability import whole
from source_amocrm.config.hosts import service_url
from source_amocrm.errors import AmocrmError, FeatureOff
from source_amocrm.http.answer import Fetch
from source_amocrm.http.files_host import files_host_api
from source_amocrm.streams import relations as to
from source_amocrm.streams.base import FullRefreshStream
from source_amocrm.streams.values import Row
from source_amocrm.sync.declaration import Context
from source_amocrm.walk.listing import Listing

FILES = "/v1.0/files"
LIMIT = 50
"""amoCRM documents no largest page here; its own library asks for 50."""


def _drive(account: Account) -> Fetch:
    """Raises FeatureOff where the account has none, AmocrmError where the token must not be sent to its address."""
    named = account.facts().body.get("drive_url")
    if not named:
        raise FeatureOff("The account names no host of files (drive_url).", path=FILES)
    base_url = account.config.base_url if account.config.overridden else service_url(named)
    if base_url is None:
        raise AmocrmError(
            "The account names a host of files (drive_url) that is not amoCRM's or Kommo's, so the token is not sent "
            "there. Leave the table out, and ask amoCRM's support about that address."
        )
    return files_host_api(account.api, base_url).get


class Files(FullRefreshStream):
    name = "files"
    primary_key = ["file_uuid"]
    relations = {
        "source_id": to.SOURCE,
        "created_by": to.FILE_AUTHOR,
        "updated_by": to.FILE_AUTHOR,
        "deleted_by": to.FILE_AUTHOR,
    }
    list_path = FILES
    collection = "files"
    account_extras = ("drive_url",)
    scope = "files"

    @property
    def fetch(self) -> Fetch:
        return _drive(self.account)

    def records(self) -> Iterable[tuple[Row, Context]]:
        return (
            (record, Context())
            for record in whole(Listing(self.fetch, FILES, self.collection, LIMIT), self.account.pool)
        )
