"""The folder of accounts: one config each, named by its file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amocrm_fleet import FleetError
from amocrm_fleet.account import Account
from source_amocrm import whole_file

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
"""What an account may be called: the name goes into the names of its tables."""


def accounts(folder: Path, only: list[str] | None = None) -> list[Account]:
    """Every account of the folder, by name, or those named. Raises FleetError."""
    try:
        found = {path.stem: Account(path) for path in sorted(folder.iterdir()) if _is_config(path)}
    except OSError as error:
        raise FleetError(f"The folder {folder} cannot be read: {error.strerror}.") from None
    _check_names(folder, list(found.values()))
    if only is None:
        return list(found.values())
    for name in only:
        if name not in found:
            raise FleetError(f"There is no account “{name}” in {folder}: it would be {folder / name}.json.")
    return [found[name] for name in only]


def add(folder: Path, config: Mapping[str, Any], name: str | None = None, *, replace: bool = False) -> Account:
    """Puts a new account's config into the folder, for its owner alone, in one step; another run sees it or does not.

    Without a name it is called as its address begins. Raises FleetError when the name is taken and not to be replaced,
    and OSError when the folder cannot be written to.
    """
    name = name or _subdomain(config)
    if not NAME.fullmatch(name):
        raise FleetError(_bad_name(name))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    account = Account(folder / f"{name}.json")
    _check_names(folder, [*(one for one in accounts(folder) if one.name != name), account])
    put = whole_file.write if replace else whole_file.create
    try:
        put(account.path, whole_file.json_text(config))
    except FileExistsError:
        raise FleetError(f"There is an account “{name}” in {folder} already.") from None
    return account


def _is_config(path: Path) -> bool:
    """An empty file is no account yet: it only keeps the name."""
    return path.suffix == ".json" and not path.name.startswith(".") and path.is_file() and path.stat().st_size > 0


def _check_names(folder: Path, found: list[Account]) -> None:
    by_project: dict[str, str] = {}
    for account in found:
        if not NAME.fullmatch(account.name):
            raise FleetError(f"{_bad_name(account.name)} Rename {account.path}.")
        other = by_project.setdefault(account.project, account.name)
        if other != account.name:
            raise FleetError(
                f"The accounts “{other}” and “{account.name}” of {folder} would write the same tables, "
                f"amocrm_{account.project}_…. Rename one of them."
            )


def _bad_name(name: str) -> str:
    return f"An account cannot be called “{name}”: letters, digits, - and _ only, 40 at most."


def _subdomain(config: Mapping[str, Any]) -> str:
    address = str(config.get("account_domain") or "").split("//")[-1].split(".")[0].strip().lower()
    if not address:
        raise FleetError("The config has no account_domain: the address of the account, example.amocrm.ru.")
    return address
