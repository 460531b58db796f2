"""The base classes of all streams. A subclass that declares its `name` is a table; any other class is a base class.

`read_records` serves whoever reads one stream by itself, as the platform does. A sync requests each list once and hands
its pages to the `Delivery` of each stream made of the list. A list may make several streams, and a stream may be made
of several lists, so a page is no slice of one stream in the CDK's sense. There is one path all the same: the
`read_records` of an incremental stream runs a sync of that stream alone. The CDK's own paging would request a list once
for each stream, and skip rows if people change the list meanwhile.
"""

from __future__ import annotations

import logging
from abc import ABC
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import requests
from airbyte_cdk.sources.streams.http.http import HttpStream

from source_amocrm.account import Account, Resource
from source_amocrm.account.availability import NONE_THERE
from source_amocrm.account.resources import CARDS
from source_amocrm.engine import read_alone
from source_amocrm.engine.read_plan import Progress
from source_amocrm.engine.state import load
from source_amocrm.engine.stream_interface import Context, Declaration, Incremental, with_parameter
from source_amocrm.errors import AmocrmError
from source_amocrm.http import ACCOUNT_PATH, Fetch
from source_amocrm.streams import schema
from source_amocrm.streams.record import Find, Record
from source_amocrm.streams.values import Row, as_object
from source_amocrm.walk import Deletion

LOGGER = logging.getLogger("airbyte")
State = Mapping[str, Any] | None
RAW = "raw"
RAW_SCHEMA: Mapping[str, Any] = {
    "type": ["null", "object"],
    "description": "The record as amoCRM sent it, without its addresses (_links).",
}
"""The column that holds whole records if the option raw_records is on."""


class AmocrmStream(HttpStream, Declaration, ABC):
    """A stream of one account. Its schema tells its columns, their key, and where each column stands in a record.

    `name`: of the table, declared by its class alone. `account_extras`: the
    `with` parameters of `/account` that the rows need. `collection`: the key of the records in `_embedded`. `found`: by
    column, the function that finds its value in a record. `exploded`: `rows` makes the rows of parts of a record, or of
    some records only. `scope`: the token's scope that is needed besides the account's data. `page_size`: rows of a
    page of its lists. `vital_paths`: further lists without which no row can be made. `completing_paths`: further lists
    without which some rows are missing.
    """

    name: str
    primary_key: list[str]
    cursor_field: str | list[str] = []
    account_extras: tuple[str, ...] = ()
    collection: str
    found: Mapping[str, Find] = {}
    exploded = False
    scope: str | None = None
    page_size = 250
    vital_paths: tuple[str, ...] = ()
    completing_paths: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "name" in vars(cls):
            cls.primary_key = schema.key(cls.name)

    @classmethod
    def table(cls, name: str, **declared: Any) -> type[AmocrmStream]:
        """Returns a subclass for the table `name`, with the `declared` class attributes."""
        return type(name, (cls,), {"name": name, **declared})

    def __init__(self, account: Account, properties: Mapping[str, Any] | None = None) -> None:
        """`properties`: the columns of the configured catalog, with their schemas; all columns if there are none."""
        super().__init__()
        # one client for all streams: they share the rate limit, the sign-in, and the circuit breaker
        self._http_client = account.api
        self.account = account
        self._columns = frozenset(properties or ())
        self._raw = account.config.raw_records and not self.exploded and (not self._columns or RAW in self._columns)
        self.record = Record(self.name, self.found)
        if self._raw:
            self.record.add(RAW, as_object)

    def progress(self, state: State) -> Progress | None:  # noqa: ARG002
        """Returns the progress of a saved state; None for a stream that every sync reads whole."""
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
        """Requests one row of the list at `path`, one of the stream's. Raises AmocrmError if it cannot be read."""
        self.fetch(path, {"limit": 1})

    @property
    def fetch(self) -> Fetch:
        """The GET of the host that has the stream's lists. Raises AmocrmError if there is none."""
        return self.account.get

    def wanted_extras(self) -> frozenset[str]:
        wanted = (one for one in schema.columns(self.name) if not self._columns or one.name in self._columns)
        return frozenset(extra for column in wanted for extra in column.extras)

    def path(self, **_: Any) -> str:
        return next(self.paths(), ACCOUNT_PATH)

    def next_page_token(self, response: requests.Response) -> None:
        """Always None: the walks request the next page, not the CDK."""

    def parse_response(self, response: requests.Response, **_: Any) -> list[Row]:
        raise NotImplementedError("read_records reads whole lists")

    def get_json_schema(self) -> Mapping[str, Any]:  # type: ignore[override] # the CDK's is an lru_cache
        known = schema.load(self.name)
        known["properties"].update(self.further_columns())
        return known

    def further_columns(self) -> Mapping[str, Any]:
        """Returns the schemas of the columns that the table has in this account only, by name."""
        return {RAW: RAW_SCHEMA} if self._raw else {}

    def rows(self, record: Row, context: Context) -> Iterable[Row]:  # noqa: ARG002
        return [self.record(record)]


class FullRefreshStream(AmocrmStream):
    """A stream of the records of one list, at `list_path`; subclasses may take the records from elsewhere.

    `collection`: by default the last part of the path. `in_every_account`: whether every account has the list.
    `list_extras`: `with` parameters of a list that several streams are made of, since it is requested once.
    """

    list_path: str = ""
    list_extras: tuple[str, ...] = ()
    in_every_account = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "list_path" in vars(cls) and "collection" not in vars(cls):
            cls.collection = cls.list_path.rpartition("/")[2]

    def paths(self) -> Iterator[str]:
        yield from [self.list_path] if self.list_path else []

    def records(self) -> Iterable[tuple[Row, Context]]:
        params = with_parameter(self.wanted_extras().union(self.list_extras))
        return ((record, Context()) for record in self.account.dictionary(self.list_path, self.collection, params))

    def read_records(self, *_: Any, **__: Any) -> Iterator[Row]:
        """Yields every row, or none if the account does not have the list. Raises AmocrmError."""
        if self.scope and (lacking := self.account.not_granted(self.scope)):
            raise lacking
        try:
            for record, context in self.records():
                yield from self.rows(record, context)
        except AmocrmError as error:
            if not self.account.lacks(error):
                raise
            LOGGER.info(NONE_THERE, self.name, error)


class AccountStream(FullRefreshStream):
    """A stream of a list that `/account` embeds."""

    def records(self) -> Iterable[tuple[Row, Context]]:
        return ((record, Context()) for record in self.account.embedded(self.collection))


class FixedStream(FullRefreshStream):
    """A stream whose rows are constants, made of the records `fixed`."""

    fixed: list[Row]
    exploded = True

    def records(self) -> Iterable[tuple[Row, Context]]:
        return ((row, Context()) for row in self.fixed)


class IncrementalStream(AmocrmStream, Incremental):
    """A stream of the entities of its `resources`, which change, and of the events of its `kinds`."""

    cursor_field: str = "updated_at"

    def progress(self, state: State) -> Progress:
        config = self.account.config
        names = [resource.name for resource in self.inputs()]
        return load(self.name, self.cursor_field, names, state, config.start, config.lookback)

    def paths(self) -> Iterator[str]:
        yield from (resource.path for resource in self.inputs())

    def context(self, resource: Resource) -> Context:
        return Context(resource.name, timezone=self.account.facts().timezone)

    def read_records(self, *_: Any, stream_state: State = None, **__: Any) -> Iterator[Row]:
        """Yields every row that a sync of this stream alone brings."""
        return read_alone(self.account, self, self.progress(stream_state))

    def tombstone(self, deletion: Deletion, context: Context) -> Row:  # noqa: ARG002
        account_id = self.account.facts().id if deletion.account_id is None else deletion.account_id
        return self.record.tombstone(self.primary_key[-1], deletion.id, account_id, deletion.by, deletion.at)


class PartsStream(IncrementalStream):
    """A stream with several rows for each card of one list. The card dates them, and their key begins with its id."""

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
