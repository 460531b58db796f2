"""Tokens that amoCRM rotates are put into the account's file by the connector itself, before it uses them."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from source_amocrm.auth.handover import HandOver, print_settings
from source_amocrm.config.config_file import KEEP_IN, ConfigFile, ConfigFileError

_log = logging.getLogger("airbyte.amocrm")


def told_by_environment() -> HandOver:
    """Where the environment names a config to keep, changed settings go into it first and to the platform then."""
    path = os.environ.get(KEEP_IN)
    return keeper(ConfigFile(Path(path)), then=print_settings) if path else print_settings


def keeper(account: ConfigFile, then: HandOver = lambda _: None) -> HandOver:
    """Puts changed settings into the account's file, and then hands them to `then`, also where that has failed."""

    def keep(changed: Mapping[str, Any]) -> None:
        try:
            account.keep(changed)
        except (OSError, ConfigFileError) as error:
            reason = getattr(error, "strerror", None) or error
            _log.error(
                "amoCRM gave a new refresh token, the old one is void, and %s could not be written: %s. Make it "
                "writable and grant access again (source-amocrm connect).",
                account.path,
                reason,
            )
        then(changed)

    return keep
