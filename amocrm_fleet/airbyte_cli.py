"""`source-amocrm fleet airbyte plan|apply`: the accounts of the folder as sources and connections of an Airbyte."""

from __future__ import annotations

import argparse
import os
from importlib.metadata import version
from pathlib import Path

from amocrm_fleet import FleetError
from amocrm_fleet.airbyte_api import AirbyteApi, Thing
from amocrm_fleet.airbyte_plan import Found, Step, Wanted, find, ids, sign_in, steps
from amocrm_fleet.folder import FleetAccount
from amocrm_warehouse.address import listed
from source_amocrm import atomic_file
from source_amocrm.config_file import STATE, ConfigFileError
from source_amocrm.secrecy import mask
from source_amocrm.streams import STREAMS

ID, SECRET = "AIRBYTE_CLIENT_ID", "AIRBYTE_CLIENT_SECRET"
"""The environment variables with the keys of an application of Airbyte's."""


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


def run(chosen: list[FleetAccount], given: argparse.Namespace) -> int:
    wanted, api = _wanted(given), _api(given)
    sent = _Sent(given.accounts / STATE / "airbyte.json", given.workspace)
    found = find(api, wanted, chosen)
    known = dict.fromkeys((account.name for account in chosen), "") if given.send_sign_in else sent.digests
    todo = steps(wanted, found, chosen, known)
    _tell(todo, found, chosen, known)
    if given.do == "plan" or not todo:
        return 0
    return _apply(api, todo, found, {account.name: account for account in chosen}, sent)


class _Sent:
    """Which sign-in Airbyte was given of each account, on disk: it shows none."""

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


def _tell(todo: list[Step], found: Found, chosen: list[FleetAccount], known: dict[str, str]) -> None:
    for step in todo:
        print(mask(step.said))
    for name in found.strangers:
        print(f"  source {name}: left alone, there is no account of that name among those chosen")
    for account in chosen:
        if account.name in found.sources and account.name not in known:
            print(f"  source amoCRM {account.name}: the sign-in is left as Airbyte has it; --send-sign-in sends ours")
    print(f"{len(todo)} changes." if todo else "Nothing to change.")


def _apply(api: AirbyteApi, todo: list[Step], found: Found, accounts: dict[str, FleetAccount], sent: _Sent) -> int:
    made: dict[str | None, Thing] = {}
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
        print(f"{mask(step.said)} – done", flush=True)
        if step.sends_sign_in:
            _handed_over(accounts[str(step.account)], sent)
    print(f"Not: {', '.join(failed)}." if failed else "All done.")
    return 1 if failed else 0


def _handed_over(account: FleetAccount, sent: _Sent) -> None:
    sent.add(account)
    if account.settings()["credentials"].get("auth_type") == "oauth2.0":
        print(
            f"  {account.name}: Airbyte renews this token from now on, and the config's is spent with its first sync. "
            "Neither check nor sync the account here."
        )


def _wanted(given: argparse.Namespace) -> Wanted:
    repository, _, tag = given.image.rpartition(":")
    if not repository or "/" in tag:
        raise FleetError(f"The image {given.image} has no tag: airbyte/source-amocrm:0.1.0.")
    streams = tuple(listed(given.streams))
    for name in streams:
        if name not in STREAMS:
            raise FleetError(f"There is no stream “{name}”: there are {', '.join(STREAMS)}.")
    if given.period not in (5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440):
        raise FleetError("A period is 5, 10, 15, 20, 30 or 60 minutes, or 2, 3, 4, 6, 8, 12 or 24 hours in minutes.")
    return Wanted(repository, tag, given.destination, streams, given.period)


def _api(given: argparse.Namespace) -> AirbyteApi:
    missing = [name for name in (ID, SECRET) if not os.environ.get(name)]
    if missing:
        raise FleetError(
            f"{' and '.join(missing)} must be set: the keys of an application, your user in Airbyte → Applications."
        )
    return AirbyteApi(given.server, given.workspace, os.environ[ID], os.environ[SECRET])
