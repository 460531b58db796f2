"""`source-amocrm fleet`: the command line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

from amocrm_fleet import FleetError, airbyte_cli
from amocrm_fleet.at_a_time import each
from amocrm_fleet.checking import check
from amocrm_fleet.folder import Account, accounts
from amocrm_fleet.locks import folder_held
from amocrm_fleet.status import status_of
from amocrm_fleet.syncing import Loader, Loading
from source_amocrm.config.config_file import ConfigFileError

_INTERRUPTED = 130
_WRONG = 2
DATABASE = "amocrm-{name}.duckdb"


def main(arguments: list[str]) -> int:
    """The exit code: 1 when an account failed, 2 when nothing could be begun."""
    given = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        chosen = accounts(given.accounts, _names(given.only))
        if not chosen:
            raise FleetError(f"There is no account in {given.accounts}: its configs are files NAME.json.")
        with nullcontext() if given.run is _status else folder_held(given.accounts):
            return int(given.run(chosen, given))
    except ConfigFileError as error:
        print(error, file=sys.stderr)
        return _WRONG
    except KeyboardInterrupt:
        print("\nStopped. What was read is kept; the next run goes on from there.", file=sys.stderr)
        return _INTERRUPTED


def _check(chosen: list[Account], given: argparse.Namespace) -> int:
    failed = []
    for account, (fine, said) in each(check, chosen, given.parallel):
        if not fine:
            failed.append(account.name)
        _tell(account, said)
    return _end(failed, len(chosen), "can be read")


def _sync(chosen: list[Account], given: argparse.Namespace) -> int:
    failed = []
    with Loading(Loader(given.db, given.streams or "", given.seconds)) as loading:
        for account, outcome in loading.sync_each(chosen, given.parallel):
            if outcome.failures:
                failed.append(account.name)
            told = [f"{outcome.rows:,} rows in {outcome.seconds:.1f} s.", *outcome.notices, *outcome.failures]
            _tell(account, " ".join(told))
    return _end(failed, len(chosen), "are up to date")


def _status(chosen: list[Account], given: argparse.Namespace) -> int:  # noqa: ARG001 - as the other commands
    width = max(len("account"), *(len(account.name) for account in chosen))
    print(f"{'account':<{width}}  {'last sync':<20}  {'last success':<20}  {'rows':>9}  failures")
    failed = []
    for account in chosen:
        status = status_of(account)
        rows = f"{status.last.rows:,}" if status.ended else "–"
        told = " ".join(status.last.failures)
        failures = f"{status.failed_in_a_row} in a row: {told}" if told else ""
        line = f"{account.name:<{width}}  {status.ended or 'never':<20}  {status.succeeded or 'never':<20}  {rows:>9}"
        print(f"{line}  {failures}".rstrip())
        if told:
            failed.append(account.name)
    return 1 if failed else 0


def _tell(account: Account, said: str) -> None:
    """Each line with the account's name, so that it can be found by it."""
    for line in said.splitlines():
        print(f"{account.name}: {line}", flush=True)


def _end(failed: list[str], count: int, what: str) -> int:
    print(f"\n{count - len(failed)} of {count} accounts {what}.", end="")
    print(f" Not: {', '.join(sorted(failed))}." if failed else "")
    return 1 if failed else 0


def _names(given: str | None) -> list[str] | None:
    return [name for part in given.split(",") if (name := part.strip())] if given else None


def parser() -> argparse.ArgumentParser:
    given = argparse.ArgumentParser(
        prog="source-amocrm fleet", description="Many accounts: a folder with one config each, named by its file."
    )
    verbs = given.add_subparsers(required=True, metavar="check|sync|status|airbyte")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--accounts", type=Path, default=Path("accounts"), metavar="FOLDER", help="one NAME.json an account"
    )
    common.add_argument("--only", metavar="NAMES", help="these accounts, separated by commas")
    several = argparse.ArgumentParser(add_help=False)
    several.add_argument("--parallel", type=_count, default=2, metavar="N", help="accounts at a time (default: 2)")
    verb = verbs.add_parser("check", parents=[common, several], help="whether each account can be read")
    verb.set_defaults(run=_check)
    verb = verbs.add_parser("sync", parents=[common, several], help="bring the tables of each account up to date, once")
    verb.add_argument(
        "--db",
        default=os.environ.get("DB") or DATABASE,
        help="postgresql://user@host/name, with the password in PGPASSWORD, or a DuckDB file, {name} in it for the "
        f"account's; DB in the environment (default: {DATABASE})",
    )
    verb.add_argument("--streams", help="only these, separated by commas")
    verb.add_argument("--seconds", type=float, metavar="N", help="stop an account that takes longer; the rest goes on")
    verb.set_defaults(run=_sync)
    verb = verbs.add_parser("status", parents=[common], help="what the last sync of each account did")
    verb.set_defaults(run=_status)
    verb = verbs.add_parser("airbyte", parents=[common], help="the accounts as sources and connections of an Airbyte")
    airbyte_cli.add_options(verb)
    verb.set_defaults(run=airbyte_cli.run)
    return given


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number <= 64:
        raise argparse.ArgumentTypeError("a number from 1 to 64")
    return number
