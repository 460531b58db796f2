"""What all streams share, and their kinds. A stream is a subclass that reads as a declaration.

`read_records` is how every stream is read: by a sync, which reads each list once for all streams that are made of it,
and by whoever wants one stream. The CDK's own paging would ask for every list once a stream, and skip rows where people
work in the list meanwhile.
"""

from __future__ import annotations

import logging
from abc import ABC
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import requests
from airbyte_cdk.sources.streams.http.http import HttpStream
from airbyte_cdk.sources.utils.casing import camel_to_snake

from source_amocrm.account import Account, Resource
from source_amocrm.account.resources import CARDS
from source_amocrm.errors import AmocrmError
from source_amocrm.http import ACCOUNT_PATH
from source_amocrm.streams import schema
from source_amocrm.streams.record import Find, Record
from source_amocrm.streams.values import Row, as_object
from source_amocrm.sync import read_alone
from source_amocrm.sync.declaration import Context, Declaration, Deletion, Incremental, with_parameter
from source_amocrm.sync.read_plan import Progress
from source_amocrm.sync.state import load

LOGGER = logging.getLogger("airbyte")
State = Mapping[str, Any] | None
RAW = "raw"
RAW_SCHEMA: Mapping[str, Any] = {
    "type": ["null", "object"],
    "description": "The record as amoCRM sent it, without its addresses (_links).",
}
"""The column of whole records, where it is wanted (raw_records)."""


class AmocrmStream(HttpStream, Declaration, ABC):
    """A stream of one account. Its columns, their key and where they stand in a record are told by its schema.

    Its name is that of its class, unless that ends with Stream: then it is a kind of streams. `account_extras`: the
    `with` parameters of `/account` that its rows need. `collection`: the key of the records in `_embedded`. `found`: by
    column, what works its value out of a record. `exploded`: `rows` makes the rows, of parts of a record or of some
    records only. `scope`: what the token must be granted besides the account's data. `vital_paths`: further lists
    without which no row can be made; `completing_paths`: those without which some rows are missing.
    """

    name: str
    primary_key: list[str]
    cursor_field: str | list[str] = []
    account_extras: tuple[str, ...] = ()
    collection: str
    found: Mapping[str, Find] = {}
    exploded = False
    scope: str | None = None
    vital_paths: tuple[str, ...] = ()
    completing_paths: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not cls.__name__.endswith("Stream"):
            cls.name = vars(cls).get("name") or camel_to_snake(cls.__name__)
            cls.primary_key = schema.key(cls.name)

    @classmethod
    def table(cls, name: str, **declared: Any) -> type[AmocrmStream]:
        """Returns the stream of this kind that makes a table, which differs from others in what is declared alone."""
        return type(name, (cls,), {"name": name, **declared})

    def __init__(self, account: Account, properties: Mapping[str, Any] | None = None) -> None:
        """`properties`: the columns of the schema that the connection is configured with; None: all columns."""
        super().__init__()
        # one client for all streams: they share the rate limit, the sign-in, and what is known of an outage
        self._http_client = account.api
        self.account = account
        self._columns = frozenset(properties or ())
        self._raw = account.config.raw_records and not self.exploded and (not self._columns or RAW in self._columns)
        self.record = Record(self.name, self.found)
        if self._raw:
            self.record.add(RAW, as_object)

    def progress(self, state: State) -> Progress | None:  # noqa: ARG002
        """Returns the progress that a saved state tells; None for a stream that is read whole each time."""
        return None

    @property
    def url_base(self) -> str:
        return self.account.api.auth.base_url

    @property
    def is_resumable(self) -> bool:
        return self.supports_incremental

    def paths(self) -> Iterator[str]:
        """Yields the paths of the lists that the stream is made of, besides `/account`."""
        yield from ()

    def probe(self, path: str) -> None:
        """Asks for one row of one of the stream's lists. Raises AmocrmError if it may not be read."""
        self.account.get(path, {"limit": 1})

    def wanted_extras(self) -> frozenset[str]:
        wanted = (one for one in schema.columns(self.name) if not self._columns or one.name in self._columns)
        return frozenset(extra for column in wanted for extra in column.extras)

    def path(self, **_: Any) -> str:
        return next(self.paths(), ACCOUNT_PATH)

    def next_page_token(self, response: requests.Response) -> None:
        """None: the walks know the next page, not the CDK."""

    def parse_response(self, response: requests.Response, **_: Any) -> list[Row]:
        raise NotImplementedError("read_records reads whole lists")

    def get_json_schema(self) -> Mapping[str, Any]:  # type: ignore[override] # the CDK keeps it for good
        known = schema.load(self.name)
        known["properties"].update(self.further_columns())
        return known

    def further_columns(self) -> Mapping[str, Any]:
        """Returns the schemas of columns that this account has beside those of every account."""
        return {RAW: RAW_SCHEMA} if self._raw else {}

    def rows(self, record: Row, context: Context) -> Iterable[Row]:  # noqa: ARG002
        return [self.record(record)]


class FullRefreshStream(AmocrmStream):
    """A stream with the records of one list, at `list_path`; its subclasses have them from elsewhere.

    `collection`: only where it is not the last part of the path. `in_every_account`: no account is without that list.
    """

    list_path: str = ""
    in_every_account = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "list_path" in vars(cls) and "collection" not in vars(cls):
            cls.collection = cls.list_path.rpartition("/")[2]

    def paths(self) -> Iterator[str]:
        yield from [self.list_path] if self.list_path else []

    def records(self) -> Iterable[tuple[Row, Context]]:
        params = with_parameter(self.wanted_extras())
        return ((record, Context()) for record in self.account.dictionary(self.list_path, self.collection, params))

    def read_records(self, *_: Any, **__: Any) -> Iterator[Row]:
        """Yields every row. An account that has no such list has no rows. Raises AmocrmError."""
        if self.scope and (lacking := self.account.not_granted(self.scope)):
            raise lacking
        try:
            for record, context in self.records():
                yield from self.rows(record, context)
        except AmocrmError as error:
            if not self.account.lacks(error):
                raise
            LOGGER.info("%s: there are none in this account. %s", self.name, error)


class AccountStream(FullRefreshStream):
    """A stream with a list that comes with `/account`."""

    def records(self) -> Iterable[tuple[Row, Context]]:
        return ((record, Context()) for record in self.account.embedded(self.collection))


class FixedStream(FullRefreshStream):
    """A stream whose `fixed` rows are known without asking."""

    fixed: list[Row]
    exploded = True

    def records(self) -> Iterable[tuple[Row, Context]]:
        return ((row, Context()) for row in self.fixed)


class IncrementalStream(AmocrmStream, Incremental):
    """A stream of entities that change, from one resource or several, and of events where it names `kinds`."""

    cursor_field: str = "updated_at"

    def progress(self, state: State) -> Progress:
        config = self.account.config
        names = [resource.name for resource in self.inputs()]
        return load(self.name, self.cursor_field, names, state, config.start, config.lookback)

    def paths(self) -> Iterator[str]:
        yield from (resource.path for resource in self.inputs())

    def context(self, resource: Resource) -> Context:
        return Context(resource.name, timezone=self.account.facts().timezone)

    def read_records(self, *_: Any, stream_slice: State = None, stream_state: State = None, **__: Any) -> Iterator[Any]:
        """Yields the rows of a batch that a sync hands in; without one, every row that a sync of this stream brings."""
        if stream_slice:
            rows: Iterator[Any] = stream_slice["delivery"].take(stream_slice["batch"])
            return rows
        return read_alone(self.account, self, self.progress(stream_state))

    def tombstone(self, deletion: Deletion, context: Context) -> Row:  # noqa: ARG002
        account_id = self.account.facts().id if deletion.account_id is None else deletion.account_id
        return self.record.tombstone(self.primary_key[-1], deletion.id, account_id, deletion.by, deletion.at)


class PartsStream(IncrementalStream):
    """A stream with several rows for each card of one list, dated by that card, whose id its key begins with."""

    several_rows = True
    exploded = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" in vars(cls):
            [card] = [card for card in CARDS if f"{card.entity}_id" in cls.primary_key[:1]]
            cls.resources, cls.cursor_field = (card,), f"{card.entity}_updated_at"


class EventStream(IncrementalStream):
    """A stream that is made of events alone."""

    cursor_field = "created_at"
    kinds: tuple[str, ...] = ()
