"""Writes the tables of one account into a database: rows, and the states that cover them, in one transaction.

The sync after a killed one resumes from the last transaction. What is remembered of a project is in two tables of its
own: `state`, with a row per stream, and `syncs`, with a row per ended sync.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

import pyarrow as pa

from amocrm_warehouse.database_errors import why
from amocrm_warehouse.sync.arrow_table import CHANGES, READ_AT, Shape, Table
from amocrm_warehouse.sync.destination import Destination, LoadError, literal, quoted
from amocrm_warehouse.sync.forgotten_cards import CARDS_OF_CONTACTS, CONTACTS, FORGOTTEN, Forgotten, ForgottenCards
from amocrm_warehouse.sync.load_queue import Waiting
from amocrm_warehouse.sync.name_history import DICTIONARIES, NAMES, drop_names, keep_names
from amocrm_warehouse.sync.row_history import HELD_FROM, HELD_UNTIL, forget_versions, history_of, keep_versions
from amocrm_warehouse.table_names import table_name

DISK_FULL = "53100"
"""PostgreSQL's code of the error."""
VERSION = 1
"""Version of the table of states. A sync refuses tables of another version."""
STATE = Shape(
    "state",
    {"stream": "string", "state": "json", "columns": "json", "personal_data": "string", "refreshing": "boolean"},
    ["stream"],
)
"""The table of states. `columns`: a JSON object with the kinds of the columns that sync has made, by name."""
OF_THE_PROJECT = ""
"""The row of STATE whose state tells the account that the tables hold, and VERSION."""
SYNCS = Shape(
    "syncs",
    {
        "started_at": "time",
        "ended_at": "time",
        "ended_well": "boolean",
        "rows": "integer",
        "failures": "json",
        "tables": "json",
        "requests": "integer",
        "disk_free": "integer",
        "token_expires_at": "time",
    },
)
"""The table of syncs."""
MIXED = "mixed"
"""In place of the digest of a table whose rows were replaced by several settings: no setting has it."""
INCOMING = "incoming_"
"""What the name of a table begins with, after the prefix, in which a large whole table is collected."""
OTHER_FORM = (
    "The tables {prefix}… in this database were made by another version of sync, whose states this one does not know. "
    "Drop these tables, or name another database or --dataset, and sync again: the account is read anew."
)


class EndedSync(NamedTuple):
    """A row of the table of syncs. `failures`: a JSON list of sentences. `tables`: a JSON object with the rows read, by
    stream that was read to its end. `requests`: sent to amoCRM. `disk_free`: bytes beside a DuckDB file.
    `token_expires_at`: of a long-lived token."""

    started_at: datetime
    ended_at: datetime
    ended_well: bool
    rows: int
    failures: str
    tables: str
    requests: int | None = None
    disk_free: int | None = None
    token_expires_at: datetime | None = None


class HeldAccount(NamedTuple):
    """The account whose data the tables hold. `number`: the account's id; None if amoCRM has not said it."""

    number: int | None
    subdomain: str


@dataclass
class HeldStream:
    """What the database remembers of a stream. `state` (JSON): None if the stream is to be read from the beginning.

    `columns`: the kinds of the columns that sync has made, by name. `personal_data`: digest of the settings that
    replaced personal data in the rows, or MIXED. `refreshing`: whether the table is being read from the beginning while
    it stays.
    """

    state: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    personal_data: str = ""
    refreshing: bool = False


class Loader:
    """Whatever uses the database is called in one thread. Methods raise LoadError.

    `account`: the account whose data the tables hold; None for new tables, to which nothing is written before it is
    set. `personal_data`: digest of the settings that replace personal data in the rows to load. `held`: by stream.
    """

    def __init__(self, database: Destination, project: str, dataset: str) -> None:
        self.prefix = table_name(project)
        self.dataset = dataset
        self.account: HeldAccount | None = None
        self.personal_data = ""
        self.held: dict[str, HeldStream] = {}
        self.keep_deleted = False
        """Whether contacts that amoCRM has deleted keep their values here."""
        self.history: set[str] = set()
        """Streams of which each version of a row is kept."""
        self.history_days = 0
        """Days after which a version is forgotten; 0 for never."""
        self._database = database
        self._forgotten = ForgottenCards(
            database, self._name, lambda stream: self._columns.get(self.prefix + stream, ())
        )
        self._columns: dict[str, set[str]] = {}
        """The columns of each table of the dataset, by the table's name."""
        self._incoming: dict[str, str] = {}
        """Where the rows of whole tables are collected, by stream."""
        self._at = ""

    def check_names(self, streams: Iterable[str]) -> None:
        """Raises LoadError for a table whose name is longer than the database takes, which would shorten it."""
        table = self.prefix + max(streams, key=len)
        if (most := self._database.longest_name) < len(table):
            raise LoadError(
                f"The name {table} has {len(table)} letters, and this database takes {most}. Choose a project id with "
                f"{len(table) - most} letters less; in a fleet it is the name of the account's config."
            )

    def open(self) -> None:
        """Connects, locks the tables of the project, and reads what is remembered of it."""
        with _refused("The database cannot be opened"):
            self._database.open(self.dataset, self.prefix)
            for table, column in self._database.columns(self.dataset):
                self._columns.setdefault(table, set()).add(column)
            if self.prefix + STATE.stream in self._columns:
                self._read_state()
            elif "_dlt_version" in self._columns and any(table.startswith(self.prefix) for table in self._columns):
                raise LoadError(OTHER_FORM.format(prefix=self.prefix))
        for stream, known in self.held.items():
            if not self._columns.get(self.prefix + stream, set()) >= {*known.columns}:
                known.state, known.columns = None, {}  # somebody has dropped the table or a column: it is read anew

    def close(self) -> None:
        """Lets other syncs write to the tables. Leaves no file behind to which nothing was written."""
        self._database.close()

    def states(self) -> dict[str, str]:
        """Returns the states to resume from (JSON, by stream)."""
        return {stream: one.state for stream, one in self.held.items() if one.state and not one.refreshing}

    def refreshing(self) -> set[str]:
        """Returns the streams that are to be read from the beginning, because no sync has ended since it was asked."""
        return {stream for stream, one in self.held.items() if one.refreshing}

    def outdated(self) -> list[str]:
        """Returns the streams that have rows in which personal data was replaced by other settings."""
        return sorted(stream for stream, one in self.held.items() if one.personal_data != self.personal_data)

    def check_tables(self, streams: Collection[str]) -> None:
        """Raises LoadError if something else owns one of these tables.

        `my_deal` + `contacts` and `my` + `deal_contacts` give the same name.
        """
        new = {self.prefix + stream for stream in streams if stream not in self.held} & {*self._columns}
        for other in self._other_projects():
            with _refused("The database cannot be read"):
                owned = {other + stream for stream, *_ in self._state_rows(other)}
            if taken := sorted(new & owned):
                raise LoadError(
                    f"The project {_project(self.prefix)} would write to {', '.join(taken)}, which the project "
                    f"{_project(other)} has filled. Give one of them another --project; in a fleet it is the name of "
                    "the account's config."
                )
        if foreign := sorted(table for table in new if not self._columns[table] >= {CHANGES, READ_AT}):
            raise LoadError(
                f"Something else has made {', '.join(foreign)} in the schema {self.dataset}, and sync leaves it alone. "
                "Name another --project, --dataset or database."
            )

    def projects_beside(self) -> list[str]:
        """Returns the other projects of this schema whose tables hold the same account."""
        own = self.account and self.account.number
        with _refused("The database cannot be read"):
            held = {
                other: json.loads(state)["account_id"]
                for other in (self._other_projects() if own else ())
                for stream, state, *_ in self._state_rows(other)
                if stream == OF_THE_PROJECT
            }
        return [_project(other) for other, account in held.items() if account == own]

    def refresh(self, streams: Iterable[str]) -> None:
        """Notes streams that are to be read from the beginning, until one sync has done so."""
        for stream in streams:
            self.held.setdefault(stream, HeldStream(personal_data=self.personal_data)).refreshing = True
        if self.account:
            with self._writing():
                self._write_state(streams)

    def load(self, taken: Sequence[Waiting], states: Mapping[str, str]) -> None:
        """Loads rows, and the states, which cover all rows loaded by then."""
        with self._writing():
            for rows in taken:
                self._at = self.prefix + rows.table.stream
                self._put(rows)
            self._at = ""
            if self._forgets and CARDS_OF_CONTACTS & {rows.table.stream for rows in taken}:
                self._forgotten.follow_contacts()
            for stream, state in states.items():
                self.held.setdefault(stream, HeldStream(personal_data=self.personal_data)).state = state
            self._write_state({*states, *(rows.table.stream for rows in taken)})

    def end(self, sync: EndedSync) -> None:
        """Keeps the row of an ended sync, and drops what was collected of whole tables that were not read to the
        end."""
        if not self.account:
            return
        with self._writing():
            self._write_state([])
            self._forget_deleted()
            for name in self._columns if self.history_days else ():
                if name.startswith(self.prefix) and self._columns[name] >= {HELD_FROM, HELD_UNTIL}:
                    forget_versions(self._database, self._database.qualified(self.dataset, name), self.history_days)
            for table in [name for name in self._columns if re.fullmatch(rf"{self.prefix}{INCOMING}\d+", name)]:
                self._database.execute(f"DROP TABLE {self._database.qualified(self.dataset, table)}")
            self._agree(SYNCS)
            row = pa.Table.from_pylist([sync._asdict()], SYNCS.schema)
            with self._database.staged(row, self._name(SYNCS.stream)) as new:
                self._insert(self._name(SYNCS.stream), SYNCS, new)

    def forget(self, contacts: Collection[int]) -> Forgotten:
        """Empties every value of these people in the tables of the project, and remembers the ids."""
        with self._writing():
            self._agree(FORGOTTEN)
            return self._forgotten.forget(contacts)

    def _forget_deleted(self) -> None:
        """Empties what is left of contacts that amoCRM deleted so long ago that its trash does not hold them."""
        if self.keep_deleted or not {"is_deleted", "updated_at"} <= self._columns.get(self.prefix + CONTACTS, set()):
            return
        if self._forgets or self._forgotten.are_there_deleted():
            self._agree(FORGOTTEN)
            self._forgotten.forget_deleted()

    @property
    def _forgets(self) -> bool:
        return self.prefix + FORGOTTEN.stream in self._columns

    def size(self) -> int:
        """Returns the bytes of the account's tables, or of the whole DuckDB file."""
        with _refused("The database cannot be read"):
            return self._database.size(self.dataset, self.prefix)

    def sizes(self, streams: Iterable[str]) -> dict[str, int]:
        """Returns the number of rows of each table that is there."""
        there = [stream for stream in streams if self.prefix + stream in self._columns]
        counts = [f"SELECT '{stream}', count(*) FROM {self._name(stream)}" for stream in there]
        with _refused("The database cannot be read"):
            return dict(self._database.query(" UNION ALL ".join(counts))) if counts else {}

    def _put(self, rows: Waiting) -> None:
        """Puts rows into their table. A whole table is replaced when its list has ended; rows that came before that
        have been collected beside it."""
        table, target = rows.table, self._name(rows.table.stream)
        held = self.held.setdefault(table.stream, HeldStream(personal_data=self.personal_data))
        self._agree(table, held)
        beside = self._incoming.get(table.stream)
        if table.whole and not (rows.complete or beside):
            names = (f"{INCOMING}{number}" for number in count(1))
            beside = self._incoming[table.stream] = next(name for name in names if name not in self._incoming.values())
            self._database.execute(f"DROP TABLE IF EXISTS {self._name(beside)}")
            self._database.execute(f"CREATE TABLE {self._name(beside)} AS SELECT * FROM {target} LIMIT 0")
        with self._database.staged(rows.rows(), target) as new:
            if self._forgets and table.stream == CONTACTS and self._forgotten.let_return(new):
                held.refreshing = True  # their custom fields may have come before them, and were left out
            if beside:
                self._replace(self._name(beside), table, new)
            else:
                self._keep_versions(table, held, new)
                self._replace(target, table, new, whole=table.whole)
        if not table.whole and held.personal_data != self.personal_data:
            held.personal_data = MIXED
        if table.whole and rows.complete:
            if beside:
                self._keep_versions(table, held, self._name(beside))
                self._replace(target, table, self._name(beside), whole=True)
                self._database.execute(f"DROP TABLE {self._name(self._incoming.pop(table.stream))}")
            if table.stream in DICTIONARIES:
                self._keep_names(table.stream, is_other=held.personal_data != self.personal_data)
            held.refreshing, held.personal_data = False, self.personal_data

    def _keep_versions(self, table: Table, held: HeldStream, new: str) -> None:
        """Versions of rows in which personal data was replaced in another way are dropped."""
        shape = history_of(table)
        if held.personal_data != self.personal_data:
            if self.prefix + shape.stream in self._columns:
                self._database.execute(f"DELETE FROM {self._name(shape.stream)}")
        elif table.stream in self.history:
            self._agree(shape)
            rows = f"({self._forgotten.selected(table.stream, table.kinds, new)})" if self._forgets else new
            target, history = self._name(table.stream), self._name(shape.stream)
            keep_versions(self._database, table, target, history, rows, whole=table.whole)

    def _keep_names(self, stream: str, *, is_other: bool) -> None:
        """`is_other`: whether personal data were replaced in another way before."""
        dictionary = DICTIONARIES[stream]
        if not {column for column in dictionary if column} <= self._columns[self.prefix + stream]:
            return
        self._agree(NAMES)
        if is_other:
            drop_names(self._database, stream, self._name(NAMES.stream))
        keep_names(self._database, stream, self._name(stream), self._name(NAMES.stream))

    def _replace(self, target: str, shape: Shape, new: str, *, whole: bool = False) -> None:
        """Replaces the rows of a table by those of the relation `new`: all rows, or those with the same keys.

        Every row that leaves a table leaves it here.
        """
        same = " AND ".join(f"new.{key} = held.{key}" for key in map(quoted, shape.key))
        replaced = "" if whole else f" AS held WHERE EXISTS (SELECT 1 FROM {new} AS new WHERE {same})"
        self._database.execute(f"DELETE FROM {target}{replaced}")
        self._insert(target, shape, new)

    def _insert(self, target: str, shape: Shape, new: str) -> None:
        columns = ", ".join(map(quoted, shape.kinds))
        rows = f"SELECT {columns} FROM {new}"
        if self._forgets:
            rows = self._forgotten.selected(shape.stream, shape.kinds, new)
        self._database.execute(f"INSERT INTO {target} ({columns}) {rows}")

    def _agree(self, shape: Shape, held: HeldStream | None = None) -> None:
        """Makes the table, or the columns that it does not have yet, and describes them. Raises LoadError if a column
        has had another type."""
        table, target = self.prefix + shape.stream, self._name(shape.stream)
        there = self._columns.get(table)
        kinds = {name: kind for name, kind in shape.kinds.items() if name not in (there or ())}
        before = held.columns if held else {}
        for name, kind in shape.kinds.items():
            if before.get(name, kind) != kind:
                raise LoadError(
                    f"The column {name} of {table} holds the kind {before[name]}, and amoCRM sends {kind} now. Drop "
                    "the column and sync again: the table is then read from the beginning."
                )
        if there and (lost := [name for name in shape.key if name in kinds]):
            raise LoadError(
                f"The table {table} has lost its column {', '.join(lost)}, by which rows are found. Drop the table and "
                "sync again: it is then read from the beginning."
            )
        types = {name: f"{quoted(name)} {self._database.types[kind]}" for name, kind in kinds.items()}
        if there is None:
            needed = {*shape.key, READ_AT}
            columns = [kind + (" NOT NULL" if name in needed else "") for name, kind in types.items()]
            self._database.execute(f"CREATE TABLE {target} ({', '.join(columns)})")
        for added in types.values() if there is not None else ():
            self._database.execute(f"ALTER TABLE {target} ADD COLUMN {added}")
        for name in kinds:
            if words := shape.descriptions.get(name):
                self._database.execute(f"COMMENT ON COLUMN {target}.{quoted(name)} IS {literal(words)}")
        self._columns[table] = {*(there or ()), *kinds}
        if held:
            held.columns = {**before, **shape.kinds}

    def _write_state(self, streams: Iterable[str]) -> None:
        number, subdomain = self.account or HeldAccount(None, "")
        project = {
            "version": VERSION,
            "account_id": number,
            "subdomain": subdomain,
            "keep_deleted": self.keep_deleted,
            "history": sorted(self.history),
            "history_days": self.history_days,
        }
        rows = [{"stream": OF_THE_PROJECT, "state": json.dumps(project), "refreshing": False}]
        for stream in streams:
            one = self.held[stream]
            columns = json.dumps(one.columns)
            rows.append({"stream": stream, **vars(one), "columns": columns})
        self._agree(STATE)
        with self._database.staged(pa.Table.from_pylist(rows, STATE.schema), self._name(STATE.stream)) as new:
            self._replace(self._name(STATE.stream), STATE, new)

    def _read_state(self) -> None:
        for stream, state, columns, personal_data, refreshing in self._state_rows(self.prefix):
            if stream == OF_THE_PROJECT:
                known = json.loads(state)
                if known.get("version") != VERSION:
                    raise LoadError(OTHER_FORM.format(prefix=self.prefix))
                self.account = HeldAccount(known["account_id"], known["subdomain"])
                self.keep_deleted = known.get("keep_deleted", False)
                self.history, self.history_days = {*known.get("history", ())}, known.get("history_days", 0)
            else:
                self.held[stream] = HeldStream(state, json.loads(columns), personal_data, refreshing)

    def _state_rows(self, prefix: str) -> list[tuple[Any, ...]]:
        table = self._database.qualified(self.dataset, prefix + STATE.stream)
        # DuckDB gives JSON as a text, psycopg2 parses it
        values = [f"CAST({name} AS VARCHAR)" if kind == "json" else name for name, kind in STATE.kinds.items()]
        return self._database.query(f"SELECT {', '.join(values)} FROM {table}")

    def _other_projects(self) -> list[str]:
        """Returns the prefixes of the other projects of this schema."""
        states = (table for table, columns in self._columns.items() if columns >= {*STATE.kinds})
        prefixes = (found[1] for table in states if (found := re.fullmatch(f"(amocrm_.+_){STATE.stream}", table)))
        return sorted(prefix for prefix in prefixes if prefix != self.prefix)

    def _name(self, stream: str) -> str:
        return self._database.qualified(self.dataset, self.prefix + stream)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Encloses one transaction. Raises LoadError."""
        self._at = ""
        try:
            with self._database.transaction():
                if self.prefix + STATE.stream not in self._columns:
                    self._database.make_schema(self.dataset)
                yield
        except LoadError:
            raise
        except Exception as error:
            raise self._not_taken(error) from None

    def _not_taken(self, error: Exception) -> LoadError:
        reason = why(error).rstrip(".")
        kept = "What it took before is kept; the next sync goes on from there."
        if getattr(error, "pgcode", None) == DISK_FULL or os.strerror(errno.ENOSPC) in str(error):
            return LoadError(f"The disk of the database is full: {reason}. Make room on it and sync again. {kept}")
        of = f" of {self._at}" if self._at else ""
        return LoadError(f"The database did not take the rows{of}: {reason}. {kept}")


@contextmanager
def _refused(beginning: str) -> Iterator[None]:
    """Raises LoadError for whatever the database refuses in the block."""
    try:
        yield
    except LoadError:
        raise
    except Exception as error:
        raise LoadError(f"{beginning}: {why(error)}") from None


def _project(prefix: str) -> str:
    return prefix.removeprefix("amocrm_").removesuffix("_")
