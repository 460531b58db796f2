"""The config file of one account: its settings, the values that it refers to, and the tokens rotated since."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from source_amocrm import atomic_file

KEEP_IN = "SOURCE_AMOCRM_KEEP_IN"
"""The environment variable that names a config file, into which the connector writes new tokens."""
DEEPEST = 50
"""Levels of objects and lists in a config; deeper ones are refused. The CDK walks them all, one call a level."""
LARGEST_REFERENCE = 1 << 16  # bytes of a file that a config refers to; larger ones are refused
_ROOM_FOR_LONGER_TOKENS = 1 << 12


class ConfigFileError(ValueError):
    """A config file, or a folder of config files, cannot be used. The text says why in a sentence."""


@dataclass(frozen=True)
class ConfigFile:
    """The config at `path`; its name is the file's."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def rotated(self) -> Path:
        """The file with amoCRM's changes to a config with references, which itself is never written to."""
        return self.path.with_name(f".{self.name}.rotated.json")

    def written(self) -> dict[str, Any]:
        """Returns the config as the file has it, with unresolved references. Raises ConfigFileError."""
        try:
            config = atomic_file.read_json(self.path)
            if isinstance(config, dict) and is_deeper(config, DEEPEST):
                raise RecursionError
        except FileNotFoundError:
            raise ConfigFileError(f"There is no config at {self.path}. `source-amocrm connect` writes one.") from None
        except json.JSONDecodeError as error:
            raise ConfigFileError(f"The config {self.path} is not JSON: {error.msg} in line {error.lineno}.") from None
        except (OSError, ValueError) as error:
            raise ConfigFileError(f"The config {self.path} cannot be read: {reason(error)}.") from None
        except RecursionError:
            raise ConfigFileError(
                f"The config {self.path} is nested more deeply than any setting is. `source-amocrm connect` writes one."
            ) from None
        if not isinstance(config, dict):
            raise ConfigFileError(f"The config {self.path} must be a JSON object.")
        return config

    def settings(self) -> dict[str, Any]:
        """Returns the settings with resolved references and the newest token. Raises ConfigFileError."""
        config = self.written()
        return self._newest(resolved(config)) if holds_references(config) else config

    def prove(self, config: Mapping[str, Any]) -> None:
        """Proves that such a config can be written, before a refresh token is spent. Raises OSError."""
        size = len(atomic_file.json_text(config).encode("utf-8", "surrogatepass"))
        atomic_file.prove(self._kept_in(self.written()), size + _ROOM_FOR_LONGER_TOKENS)

    def keep(
        self, known: Mapping[str, Any], changed: Mapping[str, Any], spent: Collection[str] = ()
    ) -> dict[str, Any] | None:
        """Writes amoCRM's changes, the differences of `changed` from `known`, into the file as it is now, atomically.

        `spent`: digests of the refresh tokens that this process has exchanged. Returns the settings that are on the
        disk then. Writes nothing and returns None if the file's refresh token is neither the known one nor a spent
        one, because somebody has granted access again. A config with references stays as it is: the
        differences go into a file beside it. Raises ConfigFileError or OSError.
        """
        config = self.written()
        refers, settings = holds_references(config), resolved(config)
        newest = self._newest(settings) if refers else settings
        if token_digest(newest) not in (token_digest(known), *spent):
            return None
        content = kept = _changed(newest, known, changed)
        path = self._kept_in(config)
        if refers:
            content = {"instead_of": token_digest(settings), "settings": _changed({}, settings, kept)}
        atomic_file.write(path, atomic_file.json_text(content))
        return kept

    def _kept_in(self, config: Mapping[str, Any]) -> Path:
        """Returns the path of the file into which amoCRM's changes to `config` are written."""
        return self.rotated if holds_references(config) else self.path

    def make_private(self) -> list[str]:
        """Makes a file with secrets its owner's alone. Returns a notice of that, if other users could read it.

        Raises ConfigFileError if the mode cannot be changed.
        """
        mode = stat.S_IMODE(os.stat(self.path).st_mode) if os.name == "posix" and self.path.is_file() else 0
        if not mode & 0o077 or holds_references(self.written()):
            return []
        try:
            os.chmod(self.path, mode & 0o700)
        except OSError:
            raise ConfigFileError(
                f"Others can read the config {self.path} and its token: chmod 600 {self.path}."
            ) from None
        return [f"Others could read the config {self.path} and its token; now its owner alone can (mode 600)."]

    def _newest(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Returns the settings with the rotated token, unless their reference leads to another token since then."""
        try:
            rotated = atomic_file.read_json(self.rotated)
        except FileNotFoundError:
            return settings
        except (OSError, ValueError, RecursionError):
            raise ConfigFileError(
                f"The newest token of {self.name} is in {self.rotated}, which cannot be read. If it is "
                "lost, grant access again, put the new refresh token where the config refers to, and remove that file."
            ) from None
        return (
            _changed(settings, {}, rotated["settings"]) if rotated["instead_of"] == token_digest(settings) else settings
        )


def subdomain(settings: Mapping[str, Any]) -> str:
    """Returns the first label of the account's address. Raises ConfigFileError if there is none."""
    label = str(settings.get("account_domain") or "").split("//")[-1].split(".")[0].strip().lower()
    if not label:
        raise ConfigFileError("The config has no account_domain: the address of the account, example.amocrm.ru.")
    return label


def has_token_of(settings: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether two settings have one refresh token."""
    return token_digest(settings) == token_digest(others)


def token_digest(settings: Mapping[str, Any]) -> str:
    """Returns a digest of the refresh token, which differs for each grant."""
    credentials = settings.get("credentials")
    token = credentials.get("refresh_token") if isinstance(credentials, Mapping) else None
    return hashlib.sha256(str(token).encode("utf-8", "surrogatepass")).hexdigest()


def _changed(config: object, old: object, new: Mapping[str, Any]) -> dict[str, Any]:
    """Returns `config` with the entries of `new` that `old` lacks."""
    base, known = (entries if isinstance(entries, Mapping) else {} for entries in (config, old))
    changes = {name: value for name, value in new.items() if name not in known or value != known[name]}
    for name, value in changes.items():
        if isinstance(value, Mapping):
            changes[name] = _changed(base.get(name), known.get(name), value)
    return {**base, **changes}


def is_reference(value: object) -> bool:
    """Whether a value is a reference: `{"env": "NAME"}` or `{"file": "/run/secrets/name"}`."""
    return isinstance(value, Mapping) and [*value] in (["env"], ["file"])


def holds_references(value: object) -> bool:
    return is_reference(value) or (isinstance(value, Mapping) and any(map(holds_references, value.values())))


def resolved(value: Any, path: str = "") -> Any:
    """Returns `value` with every reference in it resolved. `path`: its own in the config. Raises ConfigFileError."""
    if path and is_reference(value):
        [(kind, name)] = value.items()
        return _value_of(kind, name, path)
    if not isinstance(value, Mapping):
        return value
    return {name: resolved(inner, f"{path}.{name}" if path else name) for name, inner in value.items()}


def _value_of(kind: str, name: object, path: str) -> str:
    if not isinstance(name, str) or not name:
        raise ConfigFileError(f'{path} names no {"variable" if kind == "env" else "file"}: {{"{kind}": "NAME"}}.')
    if kind == "env":
        if not os.environ.get(name):
            raise ConfigFileError(f"{path} is in the environment variable {name}, which is not set.")
        return os.environ[name]
    try:
        text = atomic_file.read_text(Path(name), LARGEST_REFERENCE, "secret").strip()
    except (OSError, ValueError) as error:
        raise ConfigFileError(f"{path} is in the file {name}, which cannot be read: {reason(error)}.") from None
    if not text:
        raise ConfigFileError(f"{path} is in the file {name}, which is empty.")
    return text


def reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or ("not UTF-8" if isinstance(error, UnicodeError) else str(error))


def is_deeper(value: object, levels: int) -> bool:
    """Whether objects and lists are nested in more than these `levels`."""
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return not levels or any(is_deeper(item, levels - 1) for item in items)
