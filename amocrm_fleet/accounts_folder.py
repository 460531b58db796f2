"""The folder of accounts. Each account is a config file NAME.json, and NAME is the account's name."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from amocrm_fleet import FleetError
from amocrm_warehouse.known_names import nearest
from amocrm_warehouse.table_names import table_name
from source_amocrm import atomic_file
from source_amocrm.config_file import ConfigFile, subdomain

STATE = ".fleet"
"""The folder beside the configs for the files that the fleet itself writes."""
LONGEST_NAME = 40
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LONGEST_NAME - 1}}}")
"""The names that an account may have: the name becomes a part of its tables' names."""


class FleetAccount(ConfigFile):
    """One account of a fleet: its config file, and the names that follow from the file's name."""

    def written(self) -> dict[str, Any]:
        """As a config has it. Raises FleetError for an account whose name cannot be a part of its tables' names."""
        if not NAME.fullmatch(self.name):
            raise FleetError(f"{_bad_name(self.name)} Rename {self.path}.")
        return super().written()

    def beside(self, kind: str) -> Path:
        """Returns the path of a file that the fleet keeps about the account."""
        return self.path.parent / STATE / f"{self.name}.{kind}"

    @property
    def project(self) -> str:
        """The middle part of the tables' names, amocrm_<project>_<stream>."""
        return self.name.replace("-", "_").lower()

    @property
    def integration(self) -> str:
        """A digest of the client ID to which the tokens belong, or of the account's name for a long-lived token."""
        credentials = self.written().get("credentials")
        client_id = credentials.get("client_id") if isinstance(credentials, Mapping) else None
        return hashlib.sha256(json.dumps(client_id or self.name).encode()).hexdigest()[:12]

    def spread(self, period: int) -> int:
        """Hashes the name to a number below `period`, so that accounts do not all start at once."""
        return int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big") % period


def accounts(folder: Path, only: list[str] | None = None) -> list[FleetAccount]:
    """Lists the folder's accounts in order of name: all, or only the accounts named in `only`. Raises FleetError."""
    try:
        found = {account.name: account for account in configs(folder)}
    except OSError as error:
        raise FleetError(f"The folder {folder} cannot be read: {error.strerror}.") from None
    _check_names(folder, list(found.values()))
    if only is None:
        return list(found.values())
    for name in only:
        if name not in found:
            raise FleetError(
                f"There is no account “{name}” in {folder}: it would be {folder / name}.json.{nearest(name, found)}"
            )
    return [found[name] for name in only]


def configs(folder: Path) -> list[FleetAccount]:
    """Lists the configs of the folder in order of name, also those whose names are invalid. Raises OSError."""
    return [FleetAccount(path) for path in sorted(folder.iterdir()) if _is_config(path)]


def add(folder: Path, config: Mapping[str, Any], name: str | None = None, *, replace: bool = False) -> FleetAccount:
    """Writes a new account's config into the folder, readable by the owner alone and in one atomic step.

    The default name is the first label of the account's address. Raises FleetError when another account has the name
    or the tables' names that follow from it, and OSError when the folder cannot be written.
    """
    name = name or subdomain(config)
    check_free(folder, name)
    make_private(folder)
    account = FleetAccount(folder / f"{name}.json")
    try:
        atomic_file.write(account.path, atomic_file.json_text(config), replace=replace)
    except FileExistsError:
        raise FleetError(f"There is an account “{name}” in {folder} already.") from None
    return account


def check_free(folder: Path, name: str) -> None:
    """Raises FleetError if `name` is no valid name, or if another account has the tables' names that follow from it.

    Other files whose names are invalid raise nothing.
    """
    if not NAME.fullmatch(name):
        raise FleetError(_bad_name(name))
    wanted = FleetAccount(folder / f"{name}.json")
    for other in configs(folder) if folder.is_dir() else []:
        if other.name != name and other.project == wanted.project:
            raise FleetError(_same_tables(folder, other, wanted))


def short_name(text: str) -> str:
    """Returns `text`, or, if it is longer than LONGEST_NAME, its beginning with a digest of the whole."""
    if len(text) <= LONGEST_NAME:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{text[: LONGEST_NAME - len(digest) - 1].rstrip('-')}-{digest}"


def make_private(folder: Path) -> None:
    """Creates the folder and its missing parents with mode 0700, and sets that mode on a folder that exists.

    If the folder is the fleet's own beside the configs (STATE), its parent, the folder of accounts, gets the mode too.
    Raises OSError.
    """
    for one in [*reversed([one for one in folder.parents if not one.exists()]), folder]:
        one.mkdir(mode=0o700, exist_ok=True)
    for one in (folder, *([folder.parent] if folder.name == STATE else [])):
        if stat.S_IMODE(one.stat().st_mode) & 0o077:
            with suppress(PermissionError):  # the folder belongs to another user
                os.chmod(one, 0o700)


def _is_config(path: Path) -> bool:
    """Whether the file is an account's config. An empty file only reserves the name."""
    return path.suffix == ".json" and not path.name.startswith(".") and path.is_file() and path.stat().st_size > 0


def _check_names(folder: Path, found: list[FleetAccount]) -> None:
    by_project: dict[str, FleetAccount] = {}
    for account in found:
        other = by_project.setdefault(account.project, account)
        if other != account:
            raise FleetError(_same_tables(folder, other, account))


def _same_tables(folder: Path, one: FleetAccount, other: FleetAccount) -> str:
    return (
        f"The accounts “{one.name}” and “{other.name}” of {folder} would write the same tables, "
        f"{table_name(one.project)}…. Rename one of them."
    )


def _bad_name(name: str) -> str:
    return f"An account cannot be called “{name}”: letters, digits, - and _ only, {LONGEST_NAME} at most."
