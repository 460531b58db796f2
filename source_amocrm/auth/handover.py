"""Hands changed settings over, to the platform or into the config file, before any request uses them."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from airbyte_cdk.config_observation import create_connector_config_control_message
from airbyte_cdk.models import AirbyteMessageSerializer, FailureType

from source_amocrm.config_file import KEEP_IN, ConfigFile, ConfigFileError, has_token_of, reason, token_digest
from source_amocrm.errors import AmocrmError, ConfigError

_log = logging.getLogger("airbyte.amocrm")

HandOver = Callable[[Mapping[str, Any]], None]
"""Hands the whole config over, and returns when it is stored. Raises AmocrmError if it cannot be stored."""


def print_settings(config: Mapping[str, Any]) -> None:
    """Prints `config` whole as a CONNECTOR_CONFIG message, at once and in one write.

    The message bypasses the queue: if the process dies before the first record, the platform must know the new token.
    """
    message = AirbyteMessageSerializer.dump(create_connector_config_control_message(dict(config)))
    # not by orjson, which refuses halves of emoji and very long numbers
    sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def keeper_from_environment() -> HandOver:
    """Returns the hand-over to the platform; if the environment names a config file (KEEP_IN), to that file, too."""
    path = os.environ.get(KEEP_IN)
    return FileKeeper(ConfigFile(Path(path)), then=print_settings) if path else print_settings


class FileKeeper:
    """A HandOver to a config file. Must be made before the sync reads the file.

    `then` gets the changed settings in any case, after the file; `else_to` only if the file could not be written.
    """

    def __init__(
        self, file: ConfigFile, *, then: HandOver = lambda _: None, else_to: HandOver = lambda _: None
    ) -> None:
        self._file, self._then, self._else_to = file, then, else_to
        try:
            self._known: dict[str, Any] | None = file.settings()
        except (OSError, ConfigFileError) as error:
            self._known, self._trouble = None, reason(error)
        self._spent: list[str] = []  # digests of the tokens that were exchanged and kept

    def prove(self, config: Mapping[str, Any]) -> None:
        """Raises ConfigError if the file cannot take a new token, before the old one is spent."""
        try:
            if self._known is None:
                raise ConfigFileError(self._trouble)
            self._file.prove(config)
        except (OSError, ConfigFileError) as error:
            raise ConfigError(
                f"The token was not renewed, because the new one could not be kept: {self._file.path} cannot be "
                f"written: {reason(error)}. Nothing is lost: mend that, and run it again."
            ) from None

    def check_spent(self) -> None:
        """Raises AmocrmError if the file holds another refresh token by now, so that the known one is spent."""
        with suppress(OSError, ConfigFileError):
            if self._known is not None and not has_token_of(self._file.settings(), self._known):
                raise AmocrmError(
                    f"Another run with {self._file.path} has renewed the token meanwhile, and the new one is there. "
                    "Nothing is lost: run it again.",
                    failure_type=FailureType.transient_error,
                )

    def __call__(self, changed: Mapping[str, Any]) -> None:
        """Raises ConfigError if the file could not be written after all, and the new token is lost."""
        try:
            if self._known is None:
                raise ConfigFileError(self._trouble)
            kept = self._file.keep(self._known, changed, self._spent)
            if kept is None:
                _log.warning(
                    "Access was granted anew while this ran, or another run has renewed the token: %s keeps the "
                    "refresh token that it holds now.",
                    self._file.path,
                )
            else:
                self._spent.append(token_digest(self._known))
                self._known = kept
        except (OSError, ConfigFileError) as error:
            self._else_to(changed)
            raise ConfigError(
                f"amoCRM gave a new refresh token, the old one is void, and {self._file.path} could not be written: "
                f"{reason(error)}. Make it writable and grant access again (source-amocrm connect)."
            ) from None
        finally:
            self._then(changed)
