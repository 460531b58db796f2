"""Runs one sync: loads the connector's rows and states into a database."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amocrm_warehouse.database_address import remembered
from amocrm_warehouse.live_line import SILENT, LiveLine, Step, Watch
from amocrm_warehouse.sync.destination import LoadError, destination
from amocrm_warehouse.table_names import SCHEMA
from source_amocrm.config_file import ConfigFile, ConfigFileError, subdomain

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
    "The personal_data settings have changed. Rows already loaded keep the old form until they change. To rewrite "
    "them, sync this project once with --refresh all. Tables read before the change: {tables}."
)
SAME_ACCOUNT = (
    "The project {others} of this database holds the same account, so the marts count its deals twice. Keep one "
    "project for an account, and drop the tables of the other."
)


@dataclass
class Outcome:
    """The outcome of a sync, for a person and for a program.

    `received`: rows read by stream. `complete`: the streams read to their end. `totals`: rows of each table then.

    `errors` and `notices` are sentences: what failed, and what else a person should know. `config_error`: whether a
    person has to mend something before another sync can succeed. `requests`: sent to amoCRM. `size`: bytes of the
    account's tables, or of the whole DuckDB file.
    """

    received: Counter[str] = field(default_factory=Counter)
    complete: set[str] = field(default_factory=set)
    totals: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    seconds: float = 0.0
    config_error: bool = False
    requests: int = 0
    size: int = 0


def sync(
    config: Path,
    *,
    to: str,
    project: str,
    streams: list[str] | None = None,
    without: Collection[str] = (),
    refresh: Collection[str] = (),
    dataset: str = SCHEMA,
    keep_deleted: bool | None = None,
    history: Collection[str] | None = None,
    history_days: int | None = None,
    count: bool = True,
    line: LiveLine = SILENT,
) -> Outcome:
    """Reads the changes since the last sync into the tables `amocrm_<project>_<stream>` of the database at `to`.

    A token that amoCRM rotates is written to `config` before it is used. `streams`: None for all; `without`: streams
    to leave out; `refresh`: streams to read from the beginning (`all` for every one), whose rows stay until all are
    read and are then replaced at once. `keep_deleted`: whether contacts that amoCRM has deleted keep their values here;
    `history`: streams of which each version of a row is kept (`all` for every one), `history_days`: for so many days, 0
    for ever; None for either as it was. With `count` the rows of the tables are counted at the end. `line` shows the
    steps and the warnings. Raises ValueError with a sentence if the sync could not begin. KeyboardInterrupt ends it
    after the rows that have come are loaded.
    """
    remembered(to)
    account, started_at, start = ConfigFile(config), datetime.now(timezone.utc), time.monotonic()
    settings = account.settings()
    subdomain(settings)
    _check_names(project, dataset)
    database = destination(to)
    outcome = Outcome()
    # the CDK takes a second to import, so mistakes are looked for before
    from amocrm_warehouse.sync.connector import Reading
    from amocrm_warehouse.sync.load_queue import LoadQueue
    from amocrm_warehouse.sync.loader import Loader

    reading = Reading(account, settings, streams, without, refresh, outcome)
    names = [table.stream for table in reading.tables]
    loader = Loader(database, project.lower(), dataset)
    loader.check_names(names)
    with ThreadPoolExecutor(1, thread_name_prefix="load") as thread, ExitStack() as opened:
        line.step = lambda: Step("opening the database")
        opened.callback(lambda: thread.submit(loader.close).result())
        thread.submit(loader.open).result()
        _check_account(loader, settings)
        thread.submit(loader.check_tables, names).result()
        if keep_deleted is not None:
            loader.keep_deleted = keep_deleted
        if history is not None:
            loader.history = reading.kept_by_version(history)
        if history_days is not None:
            loader.history_days = history_days
        loader.check_names([*names, *(f"{stream}_history" for stream in loader.history)])
        loader.personal_data = personal_data_digest(settings, loader.prefix)
        if refreshing := reading.refresh(reading.refreshed | loader.refreshing() & {*names}):
            thread.submit(loader.refresh, refreshing).result()  # a sync after a killed one refreshes them, too
        states, loads = loader.states(), LoadQueue(reading.tables, thread, loader.load, reading.lists_of_cards)
        met: list[Account] = []

        def meet(account: Account) -> None:
            met.append(account)
            _meet(loader, settings, account)

        try:
            watch = Watch(outcome.received, line)
            line.step = lambda: loads.step() if loads.waits else watch.step()
            try:
                reading.into(loads, {stream: states[stream] for stream in names if stream in states}, watch, meet)
            except KeyboardInterrupt:
                with suppress(LoadError):
                    loads.finish()
                raise
            line.step = loads.step
            loads.finish()
            if loader.account:  # amoCRM may have changed the subdomain
                loader.account = loader.account._replace(subdomain=subdomain(reading.settings))
            outcome.requests = _requests(met)
            ended = _ended_sync(outcome, started_at, database.disk_free(), _token_end(settings))
            thread.submit(loader.end, ended).result()
            outcome.size = thread.submit(loader.size).result()
            if others := thread.submit(loader.projects_beside).result():
                outcome.notices.append(SAME_ACCOUNT.format(others=", ".join(others)))
            if count:
                line.step = lambda: Step("counting the rows")
                outcome.totals = thread.submit(loader.sizes, names).result()
        except LoadError as error:
            outcome.errors.append(str(error))
        outcome.requests = _requests(met)
        if outdated := loader.outdated():
            outcome.notices.append(OTHER_PERSONAL_DATA.format(tables=", ".join(outdated)))
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


def _check_account(loader: Loader, settings: dict[str, Any]) -> None:
    """Raises ConfigFileError if the tables hold another account: by its subdomain, and by the token's id."""
    from source_amocrm.auth.claims import claims_of

    token = str((settings.get("credentials") or {}).get("access_token") or "")
    held, own, named = loader.account, subdomain(settings), claims_of(token).account_id
    if held and held.subdomain != own and (named is None or named != held.number):
        raise ConfigFileError(OTHER_ACCOUNT.format(prefix=loader.prefix, held=held.subdomain, own=own))


def _meet(loader: Loader, settings: Mapping[str, Any], account: Account) -> None:
    """Notes the account's ID, as amoCRM gives it, for the states. Raises ConfigError if the tables hold another, and
    AmocrmError if the account cannot be opened and there are no tables yet: then nothing is written."""
    from amocrm_warehouse.sync.loader import HeldAccount
    from source_amocrm.errors import AmocrmError, ConfigError

    try:
        own = account.facts().id
    except AmocrmError:
        if not loader.account:
            raise
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


def _requests(accounts: Collection[Account]) -> int:
    return sum(account.api.stats.requests for account in accounts)


def _token_end(settings: dict[str, Any]) -> datetime | None:
    """Returns when a long-lived token ends; None for others, which renew themselves."""
    from source_amocrm.auth.claims import claims_of
    from source_amocrm.config.settings import LONG_LIVED

    credentials = settings.get("credentials") or {}
    expires_at = claims_of(str(credentials.get("access_token") or "")).expires_at
    if credentials.get("auth_type") != LONG_LIVED or expires_at is None:
        return None
    return datetime.fromtimestamp(expires_at, timezone.utc)


def _ended_sync(
    outcome: Outcome, started_at: datetime, disk_free: int | None, token_expires_at: datetime | None
) -> EndedSync:
    from amocrm_warehouse.sync.loader import EndedSync

    failures = json.dumps(outcome.errors, ensure_ascii=False)
    tables = json.dumps({stream: outcome.received[stream] for stream in sorted(outcome.complete)})
    ended_at, rows = datetime.now(timezone.utc), outcome.received.total()
    return EndedSync(
        started_at, ended_at, not outcome.errors, rows, failures, tables, outcome.requests, disk_free, token_expires_at
    )
