"""What a stream is: a declaration of its table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from source_amocrm.account.account import Account
from source_amocrm.account.resources import EntityList
from source_amocrm.streams.each import Parts
from source_amocrm.sync.event_log import Deletion
from source_amocrm.walk.listing import Fetch, Params, Row

if TYPE_CHECKING:
    from source_amocrm.sync.sync import Sync


@dataclass(frozen=True, kw_only=True)
class Table:
    """`name` without the connection's prefix; `key` and `cursor` are columns; a table without cursor is read whole.

    `account_extras`: the `with` parameters of `/account` that its rows need. `extras`: by column, the `with` parameters
    of its lists that fill it. `takes_from`: the lists of other entities that it takes columns from.
    """

    name: str
    key: tuple[str, ...]
    cursor: str | None = None
    account_extras: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    takes_from: tuple[EntityList, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dictionary(Table):
    """A table that is read whole each time: `rows` gives all of it.

    `lists`: what it is made of, by path, beside `/account`. `scope`: what the token must have been granted besides the
    account's data. `host`: where its lists are asked for.
    """

    rows: Callable[[Account], Iterable[Row]]
    lists: tuple[str | Parts, ...] = ()
    scope: str | None = None
    host: Callable[[Account], Fetch] = lambda account: account.get


def one_list(
    name: str, key: str, path: str, collection: str, row: Callable[[Row], Row], params: Params | None = None
) -> Dictionary:
    """A table with a row for each element of a list."""

    def rows(account: Account) -> Iterable[Row]:
        return map(row, account.dictionary(path, collection, params))

    return Dictionary(name=name, key=(key,), rows=rows, lists=(path,))


@dataclass(frozen=True, kw_only=True)
class FromEvents:
    """Rows made of each event in turn. `kinds`: those to ask for, or all; with `newest_first` from the newest on."""

    kinds: tuple[str, ...] = ()
    newest_first: bool = False
    rows: Callable[[Sync, list[Row]], Iterator[list[Row]]]


@dataclass(frozen=True, kw_only=True)
class Events(FromEvents, Table):
    """A table of events."""


@dataclass(frozen=True, kw_only=True)
class Entities(Table):
    """A table of entities that change, from one list or several.

    `rows` makes the table's rows of each record in turn, any number with `several_rows`, else one at most; `tombstone`
    the row of a deletion (list, deletion, the account's id), where the table has one. `events`: further rows, which
    are made of events. `dictionary`: a list without which no row can be made.
    `fields`: where the dictionary of the custom fields is that may be columns of its rows, of which a record has one.
    """

    lists: tuple[EntityList, ...]
    rows: Callable[[Sync, EntityList, list[Row]], Iterator[list[Row]]]
    several_rows: bool = False
    tombstone: Callable[[EntityList, Deletion, Any], Row] | None = None
    events: FromEvents | None = None
    fields: str | None = None
    dictionary: str | None = None


def wanted_extras(table: Table, columns: Collection[str] | None) -> frozenset[str]:
    """The `with` parameters that the wanted columns need; None for all columns."""
    wanted = (extras for column, extras in table.extras.items() if columns is None or column in columns)
    return frozenset(extra for extras in wanted for extra in extras)


def events_of(table: Table) -> FromEvents | None:
    """What of a table is made of events."""
    if isinstance(table, Entities):
        return table.events
    return table if isinstance(table, Events) else None
