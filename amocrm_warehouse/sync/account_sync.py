"""Runs one sync: loads the connector's rows and states into a database, in load packages."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amocrm_warehouse.database_address import remembered
from amocrm_warehouse.interrupt import interrupted
from amocrm_warehouse.live_line import Step, Tell, Watch, live_line, untold
from amocrm_warehouse.sync.destination import kind_of
from amocrm_warehouse.sync.table_lock import table_set
from amocrm_warehouse.table_names import SCHEMA
from source_amocrm.config_file import ConfigFile, subdomain
from source_amocrm.run import importing

if TYPE_CHECKING:
    from amocrm_warehouse.sync.loader import EndedSync, Loader
    from source_amocrm.account import Account

RESERVED = ("amocrm_staging", "amocrm_marts", "information_schema")
"""Schemas of dbt and of the databases, whose names no dataset may have."""
OTHER_ACCOUNT = (
    "The tables {prefix}… in this database hold the account {held}, and the config is of {own}. Give each account its "
    "own --project, or its own database."
)
OTHER_PERSONAL_DATA = (
    "The personal_data settings have changed. Rows already loaded keep the old form until they change. To rewrite all: "
    "delete the DuckDB file, or drop the schema {dataset} and those of the marts, and sync again."
)


@dataclass
class Outcome:
    """The outcome of a sync, for a person and for a program.

    `received`: rows read by stream. `complete`: the streams read to their end. `totals`: rows of each table then.

    `errors` and `notices` are sentences: what failed, and what else a person should know. `config_error`: whether a
    person has to mend something before another sync can succeed.
    """

    received: Counter[str] = field(default_factory=Counter)
    complete: set[str] = field(default_factory=set)
    totals: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    seconds: float = 0.0
    config_error: bool = False


def sync(
    config: Path,
    *,
    to: str,
    project: str,
    streams: list[str] | None = None,
    without: Collection[str] = (),
    refresh: Collection[str] = (),
    dataset: str = SCHEMA,
    count: bool = True,
    tell: Tell = untold,
) -> Outcome:
    """Reads the changes since the last sync into the tables `amocrm_<project>_<stream>` of the database at `to`.

    A token that amoCRM rotates is written to `config` before it is used. `streams`: None for all; `without`: streams
    to leave out; `refresh`: streams to read from the beginning, whose rows stay until all are read and are then
    replaced at once. With `count` the rows of the tables are counted at the end. `tell` gets each step of the
    sync. Raises ValueError with a sentence if the sync could not begin.
    """
    remembered(to)
    account, started_at, start = ConfigFile(config), datetime.now(timezone.utc), time.monotonic()
    settings = account.settings()
    subdomain(settings)
    _check_names(project, dataset)
    kind = kind_of(to)
    outcome = Outcome()
    with files_for_their_owner(), table_set(to, project.lower(), dataset) as folder:
        # dlt and the CDK take seconds to import, so mistakes are looked for before
        with importing():
            from amocrm_warehouse.sync.connector import Reading
            from amocrm_warehouse.sync.load_packages import Packages
            from amocrm_warehouse.sync.loader import Loader
            from amocrm_warehouse.sync.row_buffer import LoadError

        reading = Reading(account, settings, streams, without, refresh, outcome)
        names = [table.stream for table in reading.tables]
        # dlt keeps its settings by thread, and in the main thread it would handle signals
        with (
            ThreadPoolExecutor(1, thread_name_prefix="load") as thread,
            live_line(tell=tell) as line,
            ExitStack() as opened,
        ):
            line.step = lambda: Step("opening the database")
            make = partial(Loader, kind, to, project=project.lower(), dataset=dataset, folder=folder)
            loader = thread.submit(make).result()
            opened.callback(lambda: thread.submit(loader.close).result())
            loader.check_names(names)
            states = thread.submit(loader.open).result()
            _check_account(loader, settings)
            thread.submit(loader.check_tables, names).result()
            states = thread.submit(loader.mend, states).result()
            if not states and (notice := thread.submit(_notice_of_old_tables, loader).result()):
                outcome.notices.append(notice)
            loader.personal_data = personal_data_digest(settings, loader.prefix)
            if states and loader.personal_data != loader.loaded_personal_data:
                outcome.notices.append(OTHER_PERSONAL_DATA.format(dataset=dataset))
            if loader.refreshing or refresh:
                loader.refreshing = reading.refresh({*refresh, *loader.refreshing & {*names}}) | loader.refreshing
                thread.submit(loader.load, [], {}).result()  # so that a sync after a killed one refreshes them, too
                states = {stream: state for stream, state in states.items() if stream not in loader.refreshing}
            packages = Packages(reading.tables, folder, thread, loader.load)
            try:
                try:
                    watch = Watch(outcome.received, line)
                    line.step = lambda: packages.step() if packages.waits else watch.step()
                    reading.into(packages, states, watch, partial(_meet, loader, settings))
                except KeyboardInterrupt:
                    if interrupted():  # our handler raised it, and left no row half taken
                        packages.finish()
                    raise
                if loader.account:  # amoCRM may have changed the subdomain
                    loader.account = loader.account._replace(subdomain=subdomain(reading.settings))
                loader.refreshing -= outcome.complete
                line.step = packages.step
                packages.finish(partial(loader.load, sync=_ended_sync(outcome, started_at)))
                if count:
                    line.step = lambda: Step("counting the rows")
                    outcome.totals = thread.submit(_table_sizes, loader, names).result()
            except LoadError as error:
                outcome.errors.append(str(error))
    outcome.notices += [notice for table in reading.tables for notice in table.left_out()]
    outcome.seconds = time.monotonic() - start
    return outcome


def project_of(config: Path) -> str:
    """The account's subdomain, as a part of a table's name."""
    return re.sub(r"[\W_]+", "_", subdomain(ConfigFile(config).settings()), flags=re.ASCII).strip("_")


def _check_names(project: str, dataset: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*", project) or len(project) > 40:
        raise ValueError(
            "The project id goes into the tables' names: letters, digits and single _ between them only, 40 at most."
        )
    own = re.fullmatch(r"(?!pg_)[a-z][a-z0-9]*(_[a-z0-9]+)*", dataset)
    if not own or len(dataset) > 40 or dataset in RESERVED:
        raise ValueError(
            "The dataset is the schema of the tables: small letters, digits and single _ between them only, 40 at "
            f"most, without pg_ at the beginning, and none of {', '.join(RESERVED)}."
        )


@contextmanager
def files_for_their_owner() -> Iterator[None]:
    """Makes the files that this process creates readable for their owner alone, DuckDB's file and log too."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _check_account(loader: Loader, settings: dict[str, Any]) -> None:
    """Raises ValueError if the tables hold another account: another subdomain, and not the id that the token names."""
    from source_amocrm.auth.claims import claims_of

    token = str((settings.get("credentials") or {}).get("access_token") or "")
    held, own, named = loader.account, subdomain(settings), claims_of(token).account_id
    if held and held.subdomain != own and (named is None or named != held.number):
        raise ValueError(OTHER_ACCOUNT.format(prefix=loader.prefix, held=held.subdomain, own=own))


def _meet(loader: Loader, settings: dict[str, Any], account: Account) -> None:
    """Notes the account's ID, as amoCRM gives it, for the states. Raises ConfigError if the tables hold another."""
    from amocrm_warehouse.sync.loader import HeldAccount
    from source_amocrm.errors import AmocrmError, ConfigError

    try:
        own = account.facts().id
    except AmocrmError:
        own = None  # each stream that needs the facts will say why there are none
    held = loader.account and loader.account.number
    if held and own and held != own:
        raise ConfigError(OTHER_ACCOUNT.format(prefix=loader.prefix, held=held, own=own))
    loader.account = HeldAccount(own or held, subdomain(settings))


def personal_data_digest(settings: dict[str, Any], salt: str) -> str:
    """Returns a digest of the settings that replace personal data; empty if they keep it.

    Whoever reads the state could guess a weak key by the digest, so each guess costs 32 MB and a tenth of a second.
    """
    mode = str(settings.get("personal_data") or "keep").strip().lower()
    if mode == "keep":
        return ""
    parts = json.dumps([mode, settings.get("personal_data_key"), settings.get("personal_fields")]).encode()
    return hashlib.scrypt(parts, salt=salt.encode(), n=2**15, r=8, p=1, maxmem=2**26, dklen=16).hex()


def _notice_of_old_tables(loader: Loader) -> str | None:
    """Returns a sentence if a database's default schema, where earlier versions wrote, holds such tables."""
    defaults = [name for name in ("main", "public") if name != loader.dataset]
    schema = loader.schema_of(f"{loader.prefix}account", defaults)
    return schema and (
        f"The tables {loader.prefix}… in the schema {schema} are of an earlier version. They are left as they are; "
        f"the account is read anew, into the schema {loader.dataset}."
    )


def _ended_sync(outcome: Outcome, started_at: datetime) -> EndedSync:
    from amocrm_warehouse.sync.loader import EndedSync

    failures = json.dumps(outcome.errors, ensure_ascii=False)
    tables = json.dumps({stream: outcome.received[stream] for stream in sorted(outcome.complete)})
    ended_at, rows = datetime.now(timezone.utc), outcome.received.total()
    return EndedSync(started_at, ended_at, not outcome.errors, rows, failures, tables)


def _table_sizes(loader: Loader, streams: list[str]) -> dict[str, int]:
    tables = {stream: loader.prefix + stream for stream in streams if loader.has_table(stream)}
    if not tables:
        return {}
    counts = [f"SELECT '{stream}', count(*) FROM {{{stream}}}" for stream in tables]
    return {str(stream): int(rows) for stream, rows in loader.query(" UNION ALL ".join(counts), **tables)}
