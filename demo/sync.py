"""`python -m demo.sync --config config.json`: an account's tables, brought up to date in DuckDB or PostgreSQL."""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import airbyte as ab

from demo import HOME, config_file, ended
from demo.tables import DuckDB, Postgres, open_database

CONNECTOR = HOME.parent / ".venv" / "bin" / "source-amocrm"
DATABASE = str(HOME.parent / "amocrm.duckdb")
QUIET = 3.0  # seconds without a line, after which one says how far the read is


@dataclass
class Outcome:
    """What one sync did: rows received and rows now in the table, per stream; what went wrong, in sentences."""

    received: Counter[str] = field(default_factory=Counter)
    totals: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def failed(self, sentence: str) -> None:
        """What many tables say is told once: in the connector's last sentence, which names them."""
        self.errors = [earlier for earlier in self.errors if _without_ids(earlier) not in _without_ids(sentence)]
        self.errors.append(sentence)


def _without_ids(sentence: str) -> str:
    return re.sub(r" \[[^\]]*\]", "", sentence)


class Watch:
    """Says what comes in: a line for each table that is complete, and a sign of life in between."""

    def __init__(self, outcome: Outcome, say: Callable[[str], None]) -> None:
        self._outcome = outcome
        self._say = say
        self._start = self._said = time.monotonic()

    def __call__(self, message: Any) -> None:
        if message.record:
            self._outcome.received[message.record.stream] += 1
        elif message.log and message.log.level.value == "WARN":
            self._line(message.log.message)
        elif message.log and message.log.message.startswith("Not read to the end: "):
            self._outcome.failed(message.log.message)
        elif message.trace and message.trace.stream_status and message.trace.stream_status.status.value == "COMPLETE":
            stream = message.trace.stream_status.stream_descriptor.name
            self._line(f"{stream}: {self._outcome.received[stream]:,} rows")
        if time.monotonic() - self._said > QUIET:
            self._line(f"… {self._outcome.received.total():,} rows so far")

    def _line(self, text: str) -> None:
        self._said = time.monotonic()
        self._say(f"{self._said - self._start:6.1f} s  {text}")


def sync(
    config: Path,
    *,
    project: str,
    database: str = DATABASE,
    streams: list[str] | None = None,
    connector: Path = CONNECTOR,
    say: Callable[[str], None] | None = None,
) -> Outcome:
    """Reads what changed since the last time into tables `amocrm_<project>_<stream>` of `database`.

    `database` is a DuckDB file or postgresql://user:password@host:port/name. A token that amoCRM rotates meanwhile is
    written back to `config` at once. Raises ValueError with a sentence when nothing could be begun.
    """
    outcome = Outcome()
    started = time.monotonic()
    watch = Watch(outcome, say or partial(print, file=sys.stdout, flush=True))

    def rotated(new: dict[str, Any]) -> None:
        source.set_config(new, validate=False)
        try:
            config_file.save(config, new)
        except OSError as error:  # PyAirbyte would swallow it
            outcome.errors.append(
                f"amoCRM gave a new refresh token, the old one is void, and {config} could not be written: "
                f"{error.strerror}. Make it writable and grant access again (source-amocrm connect)."
            )

    settings = config_file.load(config)
    own = subdomain(settings)
    # PyAirbyte's own lines are in its log files too
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        source = ab.get_source(
            "source-amocrm", local_executable=connector, config=settings, config_change_callback=rotated
        )
        source._print_error_message = outcome.failed
        with (
            tempfile.TemporaryDirectory(prefix="amocrm-") as files,
            open_database(database, project, Path(files)) as cache,
        ):
            if (other := account_in(cache)) not in (None, own):
                raise ValueError(
                    f"The tables {cache.table_prefix}… in this database hold the account {other}, and the config is of "
                    f"{own}. Give each account its own PROJECT, or its own DB."
                )
            cache._seen = watch
            try:
                source.select_streams(streams or "*")
                cache.drop_leftovers(source.get_selected_streams())
                source.read(cache=cache, skip_validation=True)
            except ab.exceptions.PyAirbyteError as error:
                if not outcome.errors:
                    outcome.errors.append(error.get_message())
            outcome.totals = table_sizes(cache, source.get_selected_streams())
    outcome.seconds = time.monotonic() - started
    return outcome


def account_in(cache: DuckDB | Postgres) -> str | None:
    """The subdomain of the account that the tables hold; None while there are none."""
    table = f"{cache.table_prefix}account"
    if table not in cache.processor._get_tables_list():
        return None
    found = [row["subdomain"] for row in cache.run_sql_query(f'SELECT subdomain FROM "{table}"')]
    return str(found[0]) if found else None


def table_sizes(cache: DuckDB | Postgres, streams: list[str]) -> dict[str, int]:
    names = cache.processor._get_tables_list()
    sizes = {}
    for stream in streams:
        table = f"{cache.table_prefix}{stream}"
        if table in names:
            [row] = cache.run_sql_query(f'SELECT count(*) AS rows FROM "{table}"')
            sizes[stream] = row["rows"]
    return sizes


def report(outcome: Outcome, prefix: str, say: Callable[[str], None] = print) -> None:
    width = max((len(name) for name in outcome.totals), default=0) + len(prefix)
    say(f"\n{'table':<{width}}  {'rows read':>10}  {'in the table':>12}")
    for stream, total in sorted(outcome.totals.items()):
        say(f"{prefix + stream:<{width}}  {outcome.received[stream]:>10,}  {total:>12,}")
    say(f"\n{outcome.received.total():,} rows in {outcome.seconds:.1f} s")


def subdomain(settings: dict[str, Any]) -> str:
    """The first word of the account's address. Raises ValueError where there is none."""
    address = str(settings.get("account_domain") or "").split("//")[-1].split(".")[0].strip().lower()
    if not address:
        raise ValueError("The config has no account_domain: the address of the account, example.amocrm.ru.")
    return address


def project_of(config: Path) -> str:
    """The account's subdomain, as a part of a table's name."""
    return re.sub(r"\W", "_", subdomain(config_file.load(config)), flags=re.ASCII)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make sync", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="what `source-amocrm connect` wrote")
    parser.add_argument("--project", help="tables are amocrm_<project>_<stream>; the account's subdomain by default")
    parser.add_argument("--db", default=DATABASE, help="a DuckDB file, or postgresql://user:password@host:port/name")
    parser.add_argument("--streams", help="only these, separated by commas")
    given = parser.parse_args(arguments)
    try:
        project = given.project or project_of(given.config)
        outcome = sync(
            given.config,
            project=project,
            database=given.db,
            streams=given.streams.split(",") if given.streams else None,
        )
    except (ValueError, KeyboardInterrupt) as error:
        return ended(error)
    if outcome.received or not outcome.errors:
        report(outcome, f"amocrm_{project.lower()}_")
    for sentence in outcome.errors:
        print(f"\n{sentence}", file=sys.stderr)
    return 1 if outcome.errors else 0


if __name__ == "__main__":
    sys.exit(main())
