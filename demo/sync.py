"""`python -m demo.sync --config config.json`: an account's tables, brought up to date in DuckDB or PostgreSQL."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amocrm_warehouse.address import add_database, location
from amocrm_warehouse.desktop import show
from amocrm_warehouse.interrupt import ended, interrupted
from amocrm_warehouse.live import watching
from demo import HOME
from demo.private import private_folder
from demo.quick_import import quick_import
from source_amocrm.config.config_file import KEEP_IN, ConfigFile, ConfigFileError

if TYPE_CHECKING:
    from demo.tables import DuckDB, Postgres

CONNECTOR = HOME.parent / ".venv" / "bin" / "source-amocrm"
NAME = "source-amocrm"
DATABASE = str(HOME.parent / "amocrm.duckdb")


NOT_READ = "Not read to the end: "
"""The connector says so in the message that tells which tables failed, and why."""


@dataclass
class Outcome:
    """What one sync did: rows received and rows now in the table, per stream.

    What went wrong and what else a person should know are sentences.
    """

    received: Counter[str] = field(default_factory=Counter)
    totals: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def failed(self, sentence: str) -> None:
        """What many tables say is told once: in the connector's last sentence, which names them."""
        self.errors = [earlier for earlier in self.errors if _without_ids(earlier) not in _without_ids(sentence)]
        self.errors.append(sentence)


def _without_ids(sentence: str) -> str:
    return re.sub(r" \[[^\]]*\]", "", sentence)


def sync(
    config: Path,
    *,
    project: str,
    database: str = DATABASE,
    streams: list[str] | None = None,
    connector: Path = CONNECTOR,
    count: bool = True,
) -> Outcome:
    """Reads what changed since the last time into tables `amocrm_<project>_<stream>` of `database`.

    `database` is a DuckDB file or a PostgreSQL address. A token that amoCRM rotates meanwhile is put into `config` by
    the connector, before it uses it. With `count` the rows of the tables are counted in the end. Raises ValueError
    with a sentence when nothing could be begun.
    """
    account = ConfigFile(config)
    settings = known = account.settings()
    own = subdomain(settings)
    location(database)
    # PyAirbyte takes seconds to import: a mistake above is told at once
    with quick_import():
        import airbyte as ab

        from demo.tables import open_database

    outcome = Outcome()
    started = time.monotonic()

    def rotated(new: dict[str, Any]) -> None:
        nonlocal known
        source.set_config(new, validate=False)
        if moved := renamed(known, new):
            outcome.notices.append(moved)
        if not_kept := still_as_it_was(account, known):
            outcome.errors.append(not_kept)
        known = new

    # PyAirbyte's own lines are in its log files too
    with (
        watching(outcome.received) as watch,
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
        private_folder() as files,
        kept_in(config),
        open_database(database, project, files) as cache,
    ):
        source = _source(connector, config=settings, config_change_callback=rotated)
        source._print_error_message = outcome.failed
        if other := another_account_in(cache, settings):
            raise ValueError(
                f"The tables {cache.table_prefix}… in this database hold the account {other}, and the config is of "
                f"{own}. Give each account its own PROJECT, or its own DB."
            )

        def seen(message: Any) -> None:
            if interrupted():  # and a database in the middle of a query took it for a failure of its own
                raise KeyboardInterrupt
            if message.log and NOT_READ in message.log.message:
                outcome.failed(message.log.message)
            watch(message)

        cache._seen = seen
        try:
            check_names(streams or [], source.get_available_streams())
            source.select_streams(streams or "*")
            cache.drop_leftovers()
            source.read(cache=cache, skip_validation=True)
        except ab.exceptions.PyAirbyteError as error:
            if interrupted():
                raise KeyboardInterrupt from None
            if not outcome.errors:
                outcome.errors.append(error.get_message())
        if count:
            outcome.totals = table_sizes(cache, source.get_selected_streams())
    outcome.seconds = time.monotonic() - started
    return outcome


def _source(connector: Path, **settings: Any) -> Any:
    """PyAirbyte's view of the connector."""
    import airbyte as ab

    return ab.get_source(NAME, local_executable=connector, **settings)


@contextmanager
def kept_in(config: Path) -> Iterator[None]:
    """While it lasts, connectors that are started put rotated tokens into `config`."""
    os.environ[KEEP_IN] = str(config.absolute())
    try:
        yield
    finally:
        del os.environ[KEEP_IN]


def still_as_it_was(account: ConfigFile, known: dict[str, Any]) -> str | None:
    """The sentence about a config that the connector could not write: it is what it was before amoCRM changed it."""
    try:
        if account.settings() != known:
            return None
    except ConfigFileError as error:
        return str(error)
    return (
        f"amoCRM gave a new refresh token, the old one is void, and {account.path} could not be written. Make it "
        "writable and grant access again (source-amocrm connect)."
    )


def check_names(asked: list[str], known: list[str]) -> None:
    """Raises ValueError for a stream that there is not."""
    for name in asked:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"the nearest name is “{near[0]}”" if near else f"there are {', '.join(known)}"
            raise ValueError(f"There is no stream “{name}”: {hint}.")


def renamed(before: dict[str, Any], after: dict[str, Any]) -> str | None:
    """The sentence about an account whose address amoCRM has changed, and the connector has followed."""
    old, new = before.get("account_domain"), after.get("account_domain")
    return None if old == new else f"The account {old} is now called {new}. Its config has the new address."


def another_account_in(cache: DuckDB | Postgres, settings: dict[str, Any]) -> str | None:
    """The subdomain of the account that the tables hold, if it is not the settings'; None while there are none.

    An account that was renamed is told by its number, where the token names it.
    """
    from source_amocrm.auth.claims import claims_of  # it imports the CDK, as PyAirbyte does

    table = f"{cache.table_prefix}account"
    if not cache.processor._table_exists(table):
        return None
    found = list(cache.run_sql_query(f'SELECT account_id, subdomain FROM "{table}"'))
    if not found or found[0]["subdomain"] == subdomain(settings):
        return None
    number = claims_of(str((settings.get("credentials") or {}).get("access_token") or "")).account_id
    return None if number == found[0]["account_id"] else str(found[0]["subdomain"])


def table_sizes(cache: DuckDB | Postgres, streams: list[str]) -> dict[str, int]:
    sizes = {}
    for stream in streams:
        table = f"{cache.table_prefix}{stream}"
        if cache.processor._table_exists(table):
            [row] = cache.run_sql_query(f'SELECT count(*) AS rows FROM "{table}"')
            sizes[stream] = row["rows"]
    return sizes


def report(outcome: Outcome, prefix: str, say: Callable[[str], None] = print) -> None:
    width = max((len(name) for name in outcome.totals), default=0) + len(prefix)
    say(f"\n{'table':<{width}}  {'rows read':>10}  {'in the table':>12}")
    for stream, total in sorted(outcome.totals.items()):
        say(f"{prefix + stream:<{width}}  {outcome.received[stream]:>10,}  {total:>12,}")
    say(f"\n{outcome.received.total():,} rows in {outcome.seconds:.1f} s")


def brief(outcome: Outcome) -> dict[str, Any]:
    """What `source-amocrm fleet` keeps of a sync."""
    return {
        "rows": outcome.received.total(),
        "seconds": round(outcome.seconds, 1),
        "failures": outcome.errors,
        "notices": outcome.notices,
    }


def subdomain(settings: dict[str, Any]) -> str:
    """The first word of the account's address. Raises ValueError where there is none."""
    address = str(settings.get("account_domain") or "").split("//")[-1].split(".")[0].strip().lower()
    if not address:
        raise ValueError("The config has no account_domain: the address of the account, example.amocrm.ru.")
    return address


def project_of(config: Path) -> str:
    """The account's subdomain, as a part of a table's name."""
    return re.sub(r"\W", "_", subdomain(ConfigFile(config).settings()), flags=re.ASCII)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make sync", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="what `source-amocrm connect` wrote")
    parser.add_argument("--project", help="tables are amocrm_<project>_<stream>; the account's subdomain by default")
    add_database(parser, DATABASE)
    parser.add_argument("--streams", help="only these, separated by commas")
    parser.add_argument("--json", action="store_true", help="one line of JSON in place of the table, for a program")
    parser.add_argument("--report", action="store_true", help="build the models and write the report after it")
    parser.add_argument("--plans", type=Path, help="the file of plans for the report")
    given = parser.parse_args(arguments)
    try:
        project = given.project or project_of(given.config)
        outcome = sync(
            given.config,
            project=project,
            database=given.db,
            streams=[name for part in (given.streams or "").split(",") if (name := part.strip())] or None,
            count=not given.json,
        )
    except (ValueError, KeyboardInterrupt) as error:
        return ended(error)
    if given.json:
        print(json.dumps(brief(outcome), ensure_ascii=False))
        return 1 if outcome.errors else 0
    if outcome.received or not outcome.errors:
        report(outcome, f"amocrm_{project.lower()}_")
    for sentence in outcome.errors:
        print(f"\n{sentence}", file=sys.stderr)
    if given.report and outcome.totals:
        from amocrm_warehouse.report.command import after_sync  # dbt takes seconds to import

        try:
            show(after_sync(given.db, project, outcome.errors, given.plans))
        except (ValueError, KeyboardInterrupt) as error:
            print("\nThe tables are read; no report was made of them.", file=sys.stderr)
            return ended(error)
    return 1 if outcome.errors else 0


if __name__ == "__main__":
    sys.exit(main())
