"""`source-amocrm fleet`: the command line."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from contextlib import nullcontext
from datetime import datetime, timezone
from importlib import resources
from pathlib import Path
from typing import NoReturn

from amocrm_fleet import FleetError
from amocrm_fleet.accounts_folder import NAME, STATE, FleetAccount, accounts, make_private
from amocrm_fleet.fleet_page import write_page
from amocrm_fleet.fleet_publish import Publishing
from amocrm_fleet.fleet_remove import remove, was_removed
from amocrm_fleet.fleet_sync import ProgressLine, Syncing, check_each
from amocrm_fleet.fleet_verify import Verifying
from amocrm_fleet.locks import folder_held
from amocrm_fleet.status import as_json, out_of_habit, table, worst_first
from amocrm_warehouse.database_address import listed, remembered
from amocrm_warehouse.kept_options import Kept, add_kept
from source_amocrm import atomic_file
from source_amocrm.arguments import ArgumentParser
from source_amocrm.config_file import ConfigFileError
from source_amocrm.run import install_command
from source_amocrm.shutdown import INTERRUPTED, READ_IS_KEPT

_WRONG_USAGE = 2
DATABASE = "duckdb:///amocrm-{name}.duckdb"


def main(arguments: list[str]) -> int:
    """Returns the exit code: 1 when an account failed, 2 when no account could be started."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        chosen = _removed_before(options) or accounts(options.accounts, listed(options.only) if options.only else None)
        if not chosen:
            raise FleetError(
                f"There is no account in {options.accounts}: its configs are files NAME.json, as `source-amocrm "
                f"connect --config {options.accounts / 'NAME.json'}` writes them."
            )
        with nullcontext() if options.run in (_status, _page, _dagster) else folder_held(options.accounts):
            return int(options.run(chosen, options))
    except ConfigFileError as error:
        print(error, file=sys.stderr)
        return _WRONG_USAGE
    except KeyboardInterrupt:
        print(READ_IS_KEPT, file=sys.stderr)
        return INTERRUPTED


def _check(chosen: list[FleetAccount], options: argparse.Namespace) -> int:
    failed, progress = [], ProgressLine(len(chosen))
    for account, readable, text in check_each(chosen, options.parallel, progress):
        if not readable:
            failed.append(account.name)
        progress.ended()
        _print(account, text)
    return _print_summary(failed, len(chosen), "can be read")


def _sync(chosen: list[FleetAccount], options: argparse.Namespace) -> int:
    failed, progress = [], ProgressLine(len(chosen))
    streams, without = tuple(listed(options.streams)), tuple(listed(options.without))
    syncing = Syncing(options.to, streams, without, options.seconds, Kept.of(options))
    for account, done in syncing.each(chosen, options.parallel, progress):
        if done.failures:
            failed.append(account.name)
        progress.ended()
        rows = [f"{done.rows:,} rows in {done.seconds:.1f} s."] if done.rows or not done.failures else []
        _print(account, "\n".join([*rows, *done.notices, *done.failures]))
    return _print_summary(failed, len(chosen), "are up to date")


def _verify(chosen: list[FleetAccount], options: argparse.Namespace) -> int:
    failed, progress = [], ProgressLine(len(chosen))
    verifying = Verifying(options.to, options.requests)
    for account, found in verifying.each(chosen, options.parallel, progress):
        if found.code:
            failed.append(account.name)
        progress.ended()
        _print(account, "\n".join([found.sentence, *found.notices]))
    return _print_summary(failed, len(chosen), "equal their tables, as far as these were looked at")


def _publish(chosen: list[FleetAccount], options: argparse.Namespace) -> int:
    failed, progress = [], ProgressLine(len(chosen))
    publishing = Publishing(options.source, options.to, tuple(listed(options.publish_only)))
    for account, done in publishing.each(chosen, options.parallel, progress):
        if done.failure:
            failed.append(account.name)
        progress.ended()
        _print(account, done.sentence)
    return _print_summary(failed, len(chosen), f"are in {publishing.place}")


def _status(chosen: list[FleetAccount], options: argparse.Namespace) -> int:
    found = [pair for pair in worst_first(chosen) if pair[1].last.failures or not options.failed]
    watched = out_of_habit((account for account, _ in found), options.to)
    if options.json:
        print(json.dumps(as_json(found, watched), ensure_ascii=False, indent=2))
    elif found:
        print(table(found, datetime.now(timezone.utc)))
        for name, sentences in watched.items():
            print("", *(f"{name}: {sentence}" for sentence in sentences), sep="\n")
    return 1 if any(status.last.failures for _, status in found) else 0


def _page(chosen: list[FleetAccount], options: argparse.Namespace) -> int:
    try:
        write_page(options.out, worst_first(chosen), datetime.now(timezone.utc))
    except OSError as error:
        raise FleetError(f"{options.out} cannot be written: {error.strerror}.") from None
    print(options.out)
    return 0


def _removed_before(options: argparse.Namespace) -> list[FleetAccount]:
    """Returns the account whose files `remove` took before, and whose data are to go now; else none."""
    if options.run is not _remove or not options.with_data:
        return []
    account = FleetAccount(options.accounts / f"{options.only}.json")
    return [account] if not account.path.exists() and was_removed(account, options.to) else []


def _remove(chosen: list[FleetAccount], options: argparse.Namespace) -> int:
    [account] = chosen
    only = listed(options.publish_only)
    done = remove(account, options.to, with_data=options.with_data, published=options.published, only=only)
    for head, sentences in (("Removed:", done.gone), ("Left:", done.left)):
        print(head, *sentences, sep="\n  ")
    return 0


def _dagster(_: list[FleetAccount], options: argparse.Namespace) -> NoReturn:
    """Replaces this process by `dagster dev` with the project, whose runs lock the folder."""
    program = Path(sys.executable).with_name("dagster")
    if not program.is_file():
        raise FleetError(f"Dagster is not here: {install_command('fleet')}")
    home = (options.accounts / STATE / "dagster").absolute()
    try:
        make_private(home)
        if not (home / "dagster.yaml").exists():
            text = resources.files("amocrm_fleet").joinpath("dagster.yaml").read_text(encoding="utf-8")
            atomic_file.write(home / "dagster.yaml", text, replace=False)
    except OSError as error:
        raise FleetError(f"{home} cannot be written: {error.strerror}.") from None
    project = {"ACCOUNTS": str(options.accounts.absolute()), "DB": options.to, "DAGSTER_HOME": str(home)}
    command = [str(program), "dev", "-m", "amocrm_fleet.dagster_definitions", "--port", str(options.port)]
    os.execve(program, command, {**os.environ, **project})


def _print(account: FleetAccount, text: str) -> None:
    """Prefixes every line with the account's name, so that `grep` finds an account's lines."""
    for line in text.splitlines():
        print(f"{account.name}: {line}", flush=True)


def _print_summary(failed: list[str], count: int, success: str) -> int:
    """Returns the exit code."""
    print(f"\n{count - len(failed)} of {count} accounts {success}.", end="")
    print(f" Not: {', '.join(sorted(failed))}." if failed else "")
    return 1 if failed else 0


def parser() -> argparse.ArgumentParser:
    command = ArgumentParser(
        prog="source-amocrm fleet", description="Many accounts: a folder with one config each, named by its file."
    )
    verbs = command.add_subparsers(required=True, metavar="check|sync|verify|publish|status|page|remove|dagster")
    folder = ArgumentParser(add_help=False)
    folder.add_argument(
        "--accounts", type=Path, default=Path("accounts"), metavar="FOLDER", help="one NAME.json an account"
    )
    common = ArgumentParser(add_help=False, parents=[folder])
    common.add_argument("--only", default="", metavar="NAMES", help="these accounts, separated by commas")
    several = ArgumentParser(add_help=False)
    several.add_argument("--parallel", type=_count, default=2, metavar="N", help="accounts at a time (default: 2)")
    database = ArgumentParser(add_help=False)
    database.add_argument(
        "--to",
        type=remembered,
        default=os.environ.get("DB") or DATABASE,
        metavar="URL",
        help="postgresql://user@host/name, with the password in PGPASSWORD, or duckdb:///FILE, {name} in it for the "
        f"account's; DB in the environment (default: {DATABASE})",
    )
    verb = verbs.add_parser("check", parents=[common, several], help="whether each account can be read")
    verb.set_defaults(run=_check)
    verb = verbs.add_parser(
        "sync", parents=[common, several, database], help="bring the tables of each account up to date, once"
    )
    verb.add_argument("--streams", default="", help="only these, separated by commas")
    verb.add_argument("--without", default="", help="all but these, separated by commas")
    add_kept(verb)
    verb.add_argument("--seconds", type=float, metavar="N", help="stop an account that takes longer; the rest goes on")
    verb.set_defaults(run=_sync)
    verb = verbs.add_parser(
        "verify", parents=[common, several, database], help="compare the tables of each account with the account"
    )
    verb.add_argument("--requests", type=int, metavar="N", help="of each account, besides the IDs of cards")
    verb.set_defaults(run=_verify)
    verb = verbs.add_parser(
        "publish", parents=[common, several], help="copy the marts of each account into one warehouse"
    )
    verb.add_argument(
        "--from",
        dest="source",
        type=remembered,
        default=os.environ.get("DB") or DATABASE,
        metavar="URL",
        help=f"the database in which the models are built; DB in the environment (default: {DATABASE})",
    )
    verb.add_argument(
        "--to",
        type=remembered,
        default=os.environ.get("PUBLISH_TO", ""),
        metavar="URL",
        help="the warehouse, as in source-amocrm publish; by default PUBLISH_TO in the environment",
    )
    verb.add_argument(
        "--publish-only",
        default=os.environ.get("PUBLISH_ONLY", ""),
        metavar="NAMES",
        help="marts (default), tables, names of marts; by default PUBLISH_ONLY in the environment",
    )
    verb.set_defaults(run=_publish)
    verb = verbs.add_parser(
        "status", parents=[common, database], help="what the last sync of each account did, failed ones first"
    )
    verb.add_argument("--failed", action="store_true", help="only accounts whose last sync failed")
    verb.add_argument("--json", action="store_true", help="for a program, with every sentence")
    verb.set_defaults(run=_status)
    verb = verbs.add_parser("page", parents=[common], help="the same as one HTML file, with links to the logs")
    verb.add_argument("--out", type=Path, default=Path("fleet.html"), metavar="FILE", help="(default: fleet.html)")
    verb.set_defaults(run=_page)
    verb = verbs.add_parser("remove", parents=[folder, database], help="take an account out of the fleet")
    verb.add_argument("only", metavar="NAME", type=_name, help="the account, by its name here")
    verb.add_argument(
        "--with-data", action="store_true", help="also its tables, its rows in the marts, and those published"
    )
    verb.add_argument(
        "--published",
        type=remembered,
        action="append",
        default=[],
        metavar="URL",
        help="with --with-data: a warehouse of fleet publish, whose rows go, too; may be repeated",
    )
    verb.add_argument("--publish-only", default="", metavar="NAMES", help="what was published there; marts by default")
    verb.set_defaults(run=_remove)
    verb = verbs.add_parser("dagster", parents=[common, database], help="sync them once a period, with a page to watch")
    verb.add_argument("--port", type=int, default=3000, help="of Dagster's page (default: 3000)")
    verb.set_defaults(run=_dagster)
    return command


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise argparse.ArgumentTypeError("the name of one account")
    return text


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 0 < number <= 64:
        raise argparse.ArgumentTypeError("a number from 1 to 64")
    return number
