"""What all streams share, and their kinds. A stream is a subclass that reads as a declaration.

The CDK's own reading of an `HttpStream` (request, parse, next page) is there for whoever wants one stream's pages. A
sync goes by `read_records`: pages of a list that people work in would else be skipped, and every list asked for once
a stream.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.streams.http.http import HttpStream

from source_amocrm.account.account import Account
from source_amocrm.account.resources import EVENTS_LIMIT, Resource
from source_amocrm.config.settings import Config
from source_amocrm.http.answer import Fetch, Params
from source_amocrm.http.api import ACCOUNT_PATH
from source_amocrm.streams import schema
from source_amocrm.streams.relations import Relations
from source_amocrm.streams.rows import tombstones
from source_amocrm.streams.rows.coercion import Coercion
from source_amocrm.sync.changes import Deletion
from source_amocrm.sync.declaration import Context, Declaration, FullRefresh, Incremental
from source_amocrm.sync.delivery import deliver_alone
from source_amocrm.sync.progress import Progress
from source_amocrm.sync.state import load
from source_amocrm.walk.listing import Row, next_link, rows_of

LIMIT = 250
"""Rows of the largest page."""
RAW = "raw"
RAW_SCHEMA: Mapping[str, Any] = {
    "type": ["null", "object"],
    "description": "The record as amoCRM sent it, without its addresses (_links).",
}
"""The column of whole records, where it is wanted (raw_records)."""


class AmocrmStream(HttpStream, Declaration, ABC):
    """A stream of one account.

    `primary_key` and `cursor_field` are columns; `relations`: which columns refer to rows of other tables.
    `account_extras`: the `with` parameters of `/account` that its rows need; `extras`: by column, those of its list
    that fill it. `collection`: the key of the records in `_embedded`.
    """

    name: str
    primary_key: list[str]
    cursor_field: str | list[str] = []
    relations: Relations = {}
    account_extras: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] = {}
    collection: str
    limit = LIMIT

    def __init__(self, account: Account, properties: Mapping[str, Any] | None = None) -> None:
        """`properties`: the columns of the schema that the connection is configured with; None: all columns."""
        super().__init__()
        # one client for all streams: they share the rate limit, the sign-in, and what is known of an outage
        self._http_client = account.api.client
        self.account = account
        self._columns = frozenset(properties or ())
        self._raw = self._may_have_raw() and (not self._columns or RAW in self._columns)
        self._to = Coercion(self.name)

    @classmethod
    def extras_of_account(cls, config: Config, properties: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG003
        """The `with` parameters of `/account` that the stream needs for these columns."""
        return cls.account_extras

    @classmethod
    def progress(cls, config: Config, state: Mapping[str, Any] | None) -> Progress | None:  # noqa: ARG003
        """The progress that a saved state tells; None for a stream that is read whole each time."""
        return None

    @property
    def url_base(self) -> str:
        return self.account.api.auth.base_url

    @property
    def is_resumable(self) -> bool:
        return self.supports_incremental

    def paths(self) -> Iterator[str]:
        """The paths of the lists that the stream is made of, besides `/account`."""
        yield from ()

    def probe(self, path: str) -> None:
        """Asks for one row of one of the stream's lists. Raises AmocrmError if the list may not be read."""
        self.account.get(path, {"limit": 1})

    def wanted_extras(self) -> frozenset[str]:
        """The `with` parameters of its list that the wanted columns need."""
        wanted = (extras for column, extras in self.extras.items() if not self._columns or column in self._columns)
        return frozenset(extra for extras in wanted for extra in extras)

    def list_params(self) -> Params:
        """The parameters that the list is always asked with."""
        wanted = self.wanted_extras()
        return {"with": ",".join(sorted(wanted))} if wanted else {}

    def path(self, **_: Any) -> str:
        return next(self.paths(), ACCOUNT_PATH)

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None,  # noqa: ARG002
        stream_slice: Mapping[str, Any] | None = None,  # noqa: ARG002
        next_page_token: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        return {**self.list_params(), "limit": self.limit, **(next_page_token or {})}

    def parse_response(self, response: requests.Response, **_: Any) -> list[Row]:
        return rows_of(_body(response), self.collection)

    def next_page_token(self, response: requests.Response) -> dict[str, str] | None:
        """The parameters of the next page: its address is not followed, for the token belongs to the account's host."""
        link = next_link(_body(response))
        href = link.get("href") if isinstance(link, dict) else None
        return dict(parse_qsl(urlsplit(href).query)) if isinstance(href, str) else None

    def get_json_schema(self) -> Mapping[str, Any]:  # type: ignore[override] # the CDK keeps it for good
        known = schema.load(self.name)
        known["properties"].update(self.further_columns())
        return known

    def further_columns(self) -> Mapping[str, Any]:
        """The schemas of columns that this account has beside those of every account."""
        return {RAW: RAW_SCHEMA} if self._raw else {}

    def _may_have_raw(self) -> bool:
        """Whether whole records are wanted, and each makes one row: then it is in no other row of the stream."""
        return self.account.config.raw_records and type(self).row is not AmocrmStream.row

    def read_records(
        self,
        sync_mode: SyncMode,  # noqa: ARG002
        cursor_field: list[str] | None = None,  # noqa: ARG002
        stream_slice: Mapping[str, Any] | None = None,  # noqa: ARG002
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[Row]:
        """Every row that a sync of this stream alone brings."""
        return deliver_alone(self.account, self, self.progress(self.account.config, stream_state))  # type: ignore[arg-type]

    def rows(self, record: Row, context: Context) -> Iterable[Row]:
        """A stream defines this, or `row` where each record makes one."""
        row = self.row(record, context)
        if self._raw:
            row[RAW] = self._to.object(record, RAW)
        return [row]

    def row(self, record: Row, context: Context) -> Row:
        raise NotImplementedError


class FullRefreshStream(AmocrmStream, FullRefresh):
    """A stream with the records of one list, at `list_path`; its subclasses have them from elsewhere.

    `in_every_account`: no account is without that list.
    """

    list_path: str
    in_every_account = False
    params: Params = {}

    def paths(self) -> Iterator[str]:
        yield self.list_path

    def completing_paths(self) -> Iterator[str]:
        """The lists without which some rows are missing."""
        yield from ()

    def list_params(self) -> Params:
        return {**self.params, **super().list_params()}

    @property
    def fetch(self) -> Fetch:
        """GET on the host that the lists are on. Raises AmocrmError if the account has no such host."""
        return self.account.get

    def probe(self, path: str) -> None:
        self.fetch(path, {"limit": 1})

    def records(self) -> Iterable[tuple[Row, Context]]:
        known = self.account.dictionary(self.list_path, self.collection, self.list_params())
        return ((record, Context()) for record in known)

    def all_rows(self) -> Iterator[Row]:
        for record, context in self.records():
            yield from self.rows(record, context)


class AccountStream(FullRefreshStream):
    """A stream with a list that comes with `/account`."""

    def paths(self) -> Iterator[str]:
        yield from ()

    def records(self) -> Iterable[tuple[Row, Context]]:
        return ((record, Context()) for record in self.account.embedded(self.collection))


class FixedStream(AccountStream):
    """A stream whose `fixed` rows are known without asking."""

    fixed: list[Row]

    def all_rows(self) -> Iterator[Row]:
        yield from self.fixed


class IncrementalStream(AmocrmStream, Incremental):
    """A stream of entities that change, from one resource or several, and of events where it names `kinds`."""

    cursor_field: str = "updated_at"

    def __init__(self, account: Account, properties: Mapping[str, Any] | None = None) -> None:
        super().__init__(account, properties)
        self.collection = self.inputs()[0].collection

    @classmethod
    def progress(cls, config: Config, state: Mapping[str, Any] | None) -> Progress:
        return load(cls.name, cls.cursor_field, cls.input_names(), state, config.start, config.lookback)

    def paths(self) -> Iterator[str]:
        yield from (resource.path for resource in self.inputs())

    def vital_paths(self) -> Iterator[str]:
        """The lists without which no row can be made."""
        yield from ()

    def context(self, resource: Resource) -> Context:
        return Context(resource.name, timezone=self.account.facts().timezone)

    def tombstone(self, deletion: Deletion, context: Context) -> Row:
        account_id = self.account.facts().id if deletion.account_id is None else deletion.account_id
        own, others = self.primary_key[-1], self.tombstone_columns(context)
        return tombstones.tombstone(self.name, own, deletion.id, account_id, deletion.by, deletion.at, **others)

    def tombstone_columns(self, context: Context) -> Row:  # noqa: ARG002
        """The columns of a tombstone besides who deleted what and when; `further_columns` are null in it."""
        return {RAW: None} if self._raw else {}


class EventStream(IncrementalStream):
    """A stream that is made of events alone."""

    cursor_field = "created_at"
    kinds: tuple[str, ...] = ()
    limit = EVENTS_LIMIT


def _body(response: requests.Response) -> dict[str, Any]:
    body = None if response.status_code == requests.codes.no_content else response.json()
    return body if isinstance(body, dict) else {}
