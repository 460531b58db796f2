"""Tokens that amoCRM rotates are put into the account's file by the connector itself, before it uses them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from source_amocrm.accounts import FleetError
from source_amocrm.accounts.account import KEEP_IN, Account
from source_amocrm.auth import handover

_log = logging.getLogger("airbyte.amocrm")


def keep_if_told() -> None:
    """Where the environment names a config to keep, changed settings go into it first and to the platform then."""
    if path := os.environ.get(KEEP_IN):
        handover.keeper = keeper(Account(Path(path)), then=handover.printed)


def keeper(
    account: Account, then: Callable[[Mapping[str, Any]], None] = lambda _: None
) -> Callable[[Mapping[str, Any]], None]:
    def keep(changed: Mapping[str, Any]) -> None:
        try:
            account.keep(changed)
        except (OSError, FleetError) as error:
            reason = getattr(error, "strerror", None) or error
            _log.error(
                "amoCRM gave a new refresh token, the old one is void, and %s could not be written: %s. Make it "
                "writable and grant access again (source-amocrm connect).",
                account.path,
                reason,
            )
        then(changed)

    return keep
