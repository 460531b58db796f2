"""One account's config on disk: what it says, what it stands for, and what amoCRM has made of it since."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from source_amocrm import whole_file
from source_amocrm.accounts import FleetError
from source_amocrm.accounts.references import holds_references, resolved

STATE = ".fleet"
"""The folder, beside the configs, of what the fleet itself writes."""

KEEP_IN = "SOURCE_AMOCRM_KEEP_IN"
"""The environment variable that names the config which the connector itself keeps up to date."""


@dataclass(frozen=True)
class Account:
    """The account that the config `path` is of; its name is the file's."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def project(self) -> str:
        """The part of its tables' names, amocrm_<project>_<stream>."""
        return self.name.replace("-", "_").lower()

    @property
    def integration(self) -> str:
        """What tells apart the integrations whose tokens the accounts have: a long-lived token is its own one's."""
        credentials = self.written().get("credentials")
        given = credentials.get("client_id") if isinstance(credentials, Mapping) else None
        return hashlib.sha256(json.dumps(given or self.name).encode()).hexdigest()[:12]

    def spread(self, period: int) -> int:
        """A number below `period`, which the name alone decides: accounts do not all start at once."""
        return int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big") % period

    def beside(self, kind: str) -> Path:
        """A file that the fleet keeps about the account."""
        return self.path.parent / STATE / f"{self.name}.{kind}"

    def written(self) -> dict[str, Any]:
        """The config as it stands in the file, references and all. Raises FleetError."""
        try:
            config = json.loads(whole_file.read(self.path, json.loads))
        except FileNotFoundError:
            raise FleetError(f"There is no config at {self.path}. `source-amocrm connect` writes one.") from None
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise FleetError(f"The config {self.path} cannot be read: {reason}.") from None
        except json.JSONDecodeError as error:
            raise FleetError(f"The config {self.path} is not JSON: {error.msg} in line {error.lineno}.") from None
        if not isinstance(config, dict):
            raise FleetError(f"The config {self.path} must be a JSON object.")
        return config

    def settings(self) -> dict[str, Any]:
        """What the connector is given: references resolved, and the newest token. Raises FleetError."""
        config = self.written()
        return self._newest(resolved(config)) if holds_references(config) else config

    def keep(self, changed: Mapping[str, Any]) -> None:
        """Returns when the disk has the settings that amoCRM changed, in one step. Raises FleetError or OSError.

        They replace the config; a config with references stays as it is, and what changed goes into a file beside.
        """
        config = self.written()
        if not holds_references(config):
            whole_file.write(self.path, whole_file.json_text(changed))
            return
        given = resolved(config)
        folder = self.path.parent / STATE
        folder.mkdir(mode=0o700, exist_ok=True)
        rotated = {"instead_of": _grant(given), "settings": _difference(given, changed)}
        whole_file.write(self.beside("rotated.json"), whole_file.json_text(rotated))

    def check_mode(self) -> None:
        """Raises FleetError where others can read secrets."""
        mode = stat.S_IMODE(os.stat(self.path).st_mode)
        if mode & 0o077 and not holds_references(self.written()):
            raise FleetError(f"Others can read the config {self.path} and its token: chmod 600 {self.path}.")

    def _newest(self, given: dict[str, Any]) -> dict[str, Any]:
        """A token that was rotated stands for the one that the reference leads to, until that is another one."""
        try:
            rotated = json.loads(whole_file.read(self.beside("rotated.json"), json.loads))
        except FileNotFoundError:
            return given
        except (OSError, ValueError):
            raise FleetError(
                f"The newest token of {self.name} is in {self.beside('rotated.json')}, which cannot be read. If it is "
                "lost, grant access again, put the new refresh token where the config refers to, and remove that file."
            ) from None
        return _merged(given, rotated["settings"]) if rotated["instead_of"] == _grant(given) else given


def _grant(settings: Mapping[str, Any]) -> str:
    """Which access a person granted: a digest of the account's sign-in as the config gives it."""
    credentials = settings.get("credentials")
    token = credentials.get("refresh_token") if isinstance(credentials, Mapping) else None
    return hashlib.sha256(str(token).encode("utf-8", "surrogatepass")).hexdigest()


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What `new` has and `old` has not."""
    changed: dict[str, Any] = {}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if inner := _difference(before, value):
                changed[name] = inner
        elif value != before or name not in old:
            changed[name] = value
    return changed


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        name: _merged(old[name], value) if isinstance(value, Mapping) and isinstance(old.get(name), Mapping) else value
        for name, value in new.items()
    }
    return {**old, **both}
