"""`source-amocrm fleet airbyte plan|apply`: the accounts of the folder as sources and connections of an Airbyte."""

from __future__ import annotations

import argparse
import os
from importlib.metadata import version
from pathlib import Path

from amocrm_fleet import FleetError
from amocrm_fleet.accounts_folder import STATE, FleetAccount
from amocrm_fleet.airbyte_api import AirbyteApi, Json
from amocrm_fleet.airbyte_plan import Existing, Step, Wanted, find, ids, sign_in, steps
from amocrm_warehouse.database_address import listed
from source_amocrm import atomic_file
from source_amocrm.config_file import ConfigFileError
from source_amocrm.secrecy import mask
from source_amocrm.streams import STREAMS

ID, SECRET = "AIRBYTE_CLIENT_ID", "AIRBYTE_CLIENT_SECRET"
"""The environment variables that hold the client ID and secret of an Airbyte application."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("do", choices=("plan", "apply"), help="show what would change, or change it")
    parser.add_argument("--server", required=True, metavar="URL", help="as http://localhost:8000/api/public/v1")
    parser.add_argument("--workspace", required=True, metavar="ID")
    parser.add_argument("--destination", required=True, metavar="ID", help="where the connections write to")
    parser.add_argument(
        "--image",
        default=f"airbyte/source-amocrm:{version('source-amocrm')}",
        help="the connector's (default: %(default)s)",
    )
    parser.add_argument("--streams", default="", help="only these, separated by commas")
    parser.add_argument("--period", type=int, default=60, metavar="MINUTES", help="between syncs (default: 60)")
    parser.add_argument(
        "--send-sign-in",
        action="store_true",
        help="send the tokens of the configs again; with --only, of these",
    )


def run(chosen: list[FleetAccount], options: argparse.Namespace) -> int:
    wanted, api = _wanted(options), _api(options)
    sent = _SignIns(options.accounts / STATE / "airbyte.json", options.workspace)
    found = find(api, wanted, chosen)
    known = dict.fromkeys((account.name for account in chosen), "") if options.send_sign_in else sent.digests
    todo = steps(wanted, found, chosen, known)
    _print_plan(todo, found, chosen, known)
    if options.do == "plan" or not todo:
        return 0
    return _apply(api, todo, found, {account.name: account for account in chosen}, sent)


class _SignIns:
    """The file of the digests of the sign-ins that were sent to Airbyte, whose API does not show them."""

    def __init__(self, path: Path, workspace: str) -> None:
        self._path, self._workspace = path, workspace
        try:
            self._all: dict[str, dict[str, str]] = atomic_file.read_json(path)
        except (OSError, ValueError):
            self._all = {}
        self.digests = self._all.setdefault(workspace, {})

    def add(self, account: FleetAccount) -> None:
        self.digests[account.name] = sign_in(account)
        atomic_file.write(self._path, atomic_file.json_text(self._all))


def _print_plan(todo: list[Step], found: Existing, chosen: list[FleetAccount], known: dict[str, str]) -> None:
    for step in todo:
        print(mask(step.title))
    for name in found.unknown_sources:
        print(f"  source {name}: left alone, there is no account of that name among those chosen")
    for account in chosen:
        if account.name in found.sources and account.name not in known:
            print(f"  source amoCRM {account.name}: the sign-in is left as Airbyte has it; --send-sign-in sends ours")
    print(f"{len(todo)} changes." if todo else "Nothing to change.")


def _apply(
    api: AirbyteApi, todo: list[Step], found: Existing, accounts: dict[str, FleetAccount], sent: _SignIns
) -> int:
    made: dict[str | None, Json] = {}
    failed: list[str] = []
    for step in todo:
        if step.account in failed:
            continue
        known = ids(found, step.account) | made.get(None, {}) | made.get(step.account, {})
        try:
            result = step.take(api, known)
        except ConfigFileError as error:
            if step.account is None:
                raise
            failed.append(step.account)
            print(f"{step.account}: {error}", flush=True)
            continue
        if step.account is None:
            made[None] = {"definitionId": result["id"]}
        elif "sourceId" in result and "connectionId" not in result:
            made[step.account] = {"sourceId": result["sourceId"]}
        print(f"{mask(step.title)} – done", flush=True)
        if step.sends_sign_in:
            _record_sign_in(accounts[str(step.account)], sent)
    print(f"Not: {', '.join(failed)}." if failed else "All done.")
    return 1 if failed else 0


def _record_sign_in(account: FleetAccount, sent: _SignIns) -> None:
    sent.add(account)
    if account.settings()["credentials"].get("auth_type") == "oauth2.0":
        print(
            f"  {account.name}: Airbyte renews this token from now on, and the config's is spent with its first sync. "
            "Neither check nor sync the account here."
        )


def _wanted(options: argparse.Namespace) -> Wanted:
    repository, _, tag = options.image.rpartition(":")
    if not repository or "/" in tag:
        raise FleetError(f"The image {options.image} has no tag: airbyte/source-amocrm:0.1.0.")
    streams = tuple(listed(options.streams))
    for name in streams:
        if name not in STREAMS:
            raise FleetError(f"There is no stream “{name}”: there are {', '.join(STREAMS)}.")
    if options.period not in (5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440):
        raise FleetError("A period is 5, 10, 15, 20, 30 or 60 minutes, or 2, 3, 4, 6, 8, 12 or 24 hours in minutes.")
    return Wanted(repository, tag, options.destination, streams, options.period)


def _api(options: argparse.Namespace) -> AirbyteApi:
    missing = [name for name in (ID, SECRET) if not os.environ.get(name)]
    if missing:
        raise FleetError(
            f"{' and '.join(missing)} must be set: the keys of an application, your user in Airbyte → Applications."
        )
    return AirbyteApi(options.server, options.workspace, os.environ[ID], os.environ[SECRET])
